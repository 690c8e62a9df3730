"""Emacs, which tangles what our builder tangles."""


def tangle_command(org: str) -> list[str]:
    """Return the command by which Emacs tangles an Org file in the folder it is started in."""
    expressions = (
        '(set-language-environment "UTF-8")',
        "(require 'ob-tangle)",
        f'(org-babel-tangle-file "{org}")',
    )
    return [
        *["emacs", "-Q", "--batch"],
        *(word for expression in expressions for word in ("--eval", expression)),
    ]
