"""The program that turns the post into scripts, runs them, and weaves page and notebooks.

Run it from the project's folder as 'python -m literate COMMAND'.
"""
