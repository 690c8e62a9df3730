"""The original post's content as a tutorial of 2020 writes it, to measure beside ours."""
