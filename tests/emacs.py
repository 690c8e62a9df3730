"""Emacs, which tangles what our builder tangles."""


def tangle_command(*orgs: str) -> list[str]:
    """Return the command by which Emacs tangles Org files, each in its folder, up to an error."""
    expressions = (
        '(set-language-environment "UTF-8")',
        "(require 'ob-tangle)",
        *(f'(org-babel-tangle-file "{org}")' for org in orgs),
    )
    return [
        *["emacs", "-Q", "--batch"],
        *(word for expression in expressions for word in ("--eval", expression)),
    ]
