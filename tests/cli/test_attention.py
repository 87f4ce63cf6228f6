from engram.cli.attention import alignment, glances, shade


def test_shades():
    assert [shade(weight) for weight in (0.0, 0.25, 0.5, 0.75, 1.0)] == list(" ░▒▓█")


def test_an_alignment():
    drawn = alignment(["a", "b", ""], ["x", "yz", ""], [[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]])
    assert drawn.split("\n") == ["    ab·", "x   █", "yz   ▒▒", "·     █"]


def test_glances():
    drawn = glances([" one", ""], [[[0.6, 0.0], [0.0, 0.3]], [[0.0, 0.0], [0.0, 0.0]]])
    assert drawn.split("\n") == ["one   ·", "██", "  ▒▒"]
