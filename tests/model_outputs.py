"""What a model might say when all is lost: half Markdown, control characters, right-to-left, emoji sequences."""

import random

SIGNS = (
    *("**", "*", "_", "__", "~~", "`", "``", "```\n", "\n```", "\n```python\n", "~~~\n", "> ", "\n> ", "\n>> ", "||"),
    *(
        "\n# ",
        "\n#### ",
        "\n- ",
        "\n  * ",
        "\n1. ",
        "\n   7) ",
        "\n- [ ] ",
        "\n---\n",
        "\n===\n",
        "\n    ",
        "\n\t",
        "  \n",
    ),
    *(
        "[",
        "](",
        ")",
        "](https://x.example/é) ",
        "![",
        "<b>",
        "</b>",
        "<!--",
        "-->",
        "&amp;",
        "&#0;",
        "\\",
        "\\*",
        "$$",
    ),
    *(
        "\n| a | b |\n|---|---|\n| 1 | 2 |",
        "|",
        "\n|---|\n",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "\t",
        "http://x.example/a_b_c ",
    ),
    *(
        "\x00",
        "\x07",
        "\x1b[31m",
        "\x7f",
        "\ud83d",
        "\udea2",
        "\ufeff",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\u2028",
    ),
    *(
        "שלום עולם",
        "مرحبا بالعالم",
        "नमस्ते",
        "你好，世界。",
        "👩‍👩‍👧‍👦",
        "👍🏽",
        "🇩🇪",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "e\u0301\u0327",
        "Z͑ͫ̓a̴l̵g̶o",
        "\U0010ffff",
    ),
)


def output(chance: random.Random) -> tuple[str, list[str]]:
    """What a model might say when all is lost, and the words in it, each once."""
    longest = chance.choice([3, 20, 100, 100, 1000, 5000])
    parts, words = [], []
    while len(parts) < longest:
        if chance.random() < 0.5:
            words.append(f"w{len(words)}w")
            parts.append(words[-1] + chance.choice(["", " ", " ", ". "]))
        else:
            parts.append(chance.choice(SIGNS) * chance.choice([1, 1, 1, 2, 30 if longest < 1000 else 1]))
    return "".join(parts)[:30_000], words
