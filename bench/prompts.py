"""Prompts to load a server with: each asked once, none sharing more than the system line with another."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

SYSTEM = "You are a helpful AI assistant named Apprentice."
SEED = Path(__file__).with_name("seed.jsonl")
FORMS = (
    "Explain {} to someone who has never heard of it.",
    "What should I know about {} before I begin?",
    "Write a short story in which {} plays the main part.",
    "Give me five practical tips about {}.",
    "How has {} changed over the last hundred years?",
    "Why do so many people care about {}?",
    "Compare {} with something similar, and say which you prefer.",
    "I have to give a talk about {} tomorrow. How do I start?",
    "Describe {} in the style of a newspaper report.",
    "Which mistakes do beginners make with {}?",
    "Suggest a weekend project that has to do with {}.",
    "Who invented or discovered {}, and how did it come about?",
    "Could you summarise what science says about {}?",
    "My neighbour says that {} is overrated. What would you answer?",
    "List the tools and materials that {} calls for.",
    "Is it expensive to get into {}? Roughly what does it cost?",
    "Write a polite e-mail that asks a colleague about {}.",
    "How would you teach {} to a class of ten-year-olds?",
    "Name three books on {} and what each is good for.",
    "What will {} look like in twenty years?",
    "Draft a poem of eight lines on {}.",
    "Ask me three questions to find out how much I know of {}.",
    "In what way does {} affect the environment?",
    "Turn the basics of {} into a checklist.",
)
TOPICS = (
    "bicycle repair, sourdough bread, the night sky, chess openings, rain gardens, old maps, beekeeping, public "
    "libraries, sailing knots, volcanoes, home insulation, jazz piano, train timetables, mushroom picking, glass "
    "blowing, tidal power, first aid, bird migration, watch making, coral reefs, street photography, tax returns, "
    "compost heaps, wind turbines, crossword puzzles, cheese making, mountain rescue, desert plants, typewriters, "
    "river ferries, stained glass, marathon training, paper folding, radio waves, city parking, salt mining, kite "
    "building, fire safety, silk weaving, ice skating, hearing aids, food markets, cave paintings, seed banks, "
    "lighthouse keeping, solar eclipses, school lunches, clay pottery, long-distance buses, snow ploughs"
).split(", ")
WORD_TOKENS, MESSAGE_TOKENS = 1.2, 5
"""Tokens of a word of English, and of a message's frame, roughly."""
Messages = list[dict[str, str]]


class Prompts:
    """Conversations of one question, none twice before all 1,200 are used; the order is the same in every run."""

    def __init__(self, seed: int = 0):
        self._questions = self._all(seed)
        self._histories = random.Random(seed)
        self._rows = [json.loads(line) for line in SEED.read_text(encoding="utf-8").splitlines()]

    def take(self, count: int) -> list[Messages]:
        """So many conversations that were not taken yet."""
        return [[_said("system", SYSTEM), _said("user", next(self._questions))] for _ in range(count)]

    def history(self, tokens: int) -> Messages:
        """A conversation of questions and answers of about so many tokens, ending in an answer."""
        messages, length = [_said("system", SYSTEM)], 0.0
        while True:
            for row in self._histories.sample(self._rows, len(self._rows)):
                messages += [_said("user", row["prompt"]), _said("assistant", row["completion"])]
                words = len(f"{row['prompt']} {row['completion']}".split())
                length += WORD_TOKENS * words + 2 * MESSAGE_TOKENS
                if length >= tokens:
                    return messages

    @staticmethod
    def _all(seed: int) -> Iterator[str]:
        pairs = [(form, topic) for form in FORMS for topic in TOPICS]
        while True:
            random.Random(seed).shuffle(pairs)
            yield from (form.format(topic) for form, topic in pairs)


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
