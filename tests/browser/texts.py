"""What people said to the assistant of an invented library, whose handbook and questions the demo has as well."""

from dataclasses import dataclass

from core.records import Passage, Reason

DOCUMENTS = {
    "House rules.md": """# House rules

## Dogs

Guide dogs are welcome everywhere. Other dogs wait in the yard, where there is a bowl of water and some shade.

## Food and drink

Drinks with a lid are fine on every floor. Meals are eaten in the café corner on the ground floor.

## Lost and found

What was left behind is kept at the front desk for six weeks. Umbrellas go into the stand beside the door.
""",
    "The book fair.md": """# The book fair in June

On the second Saturday of June the library sells what it no longer lends, in the yard from 9:00 to 15:00. A paperback
costs one euro and a bound book two. In rain the fair moves into the archive.
""",
}
RULES = Passage(
    "p1",
    "House rules.md",
    "House rules › Dogs",
    "Guide dogs are welcome everywhere. Other dogs wait in the yard.",
    0.71,
)
ROOM = Passage(
    "p2",
    "handbook.md",
    "Linden Street Library: visitors' handbook › The reading room",
    "The reading room is on the second floor and has 32 numbered seats. "
    "A seat is held for you for 30 minutes while you are away.",
    0.58,
)
QUESTIONS = ("How much does a print on the 3D printer cost per gram?", "Does a library card cost anything?")
"""What is asked in the playground: one is answered by the handbook, one by an approved answer."""
COMPARED = "Write a short note that invites children to the story hour on Saturday."
"""What two versions are asked."""
SEARCHED = "May I bring my dog?"


@dataclass(frozen=True)
class Said:
    """A question, its answer, and what people made of it: thumbs with reasons, and a correction."""

    question: str
    reply: str
    up: int = 0
    down: tuple[Reason | None, ...] = ()
    correction: str | None = None
    passages: tuple[Passage, ...] = ()


WAITING = (
    Said(
        "Can I bring my dog into the reading room?",
        "Yes, dogs may come into the reading room. It is on the second floor and has 32 numbered seats.",
        down=("wrong",),
        correction="Guide dogs may come into the reading room. Other dogs wait in the yard, where there is water.",
        passages=(ROOM, RULES),
    ),
    Said(
        "Is the workshop open on Thursdays?",
        "Yes. The workshop is open from Tuesday to Friday, 10:00 to 19:00.",
        down=("wrong",),
        correction="No. The workshop is open on Wednesday and Friday from 15:00 to 18:30.",
    ),
    Said("How do I reserve the laser cutter?", "You can reserve it by writing to us.", down=("not helpful",)),
    Said("May I borrow the telescope for a fortnight?", "A thing is lent for five days.", up=1, down=("too long",)),
    Said("Do you lend board games?", "Yes. Games stay with you for one week.", up=2, down=(None,)),
    Said("What does a copy of an old photograph cost?", "A copy costs 4 euros for your own use.", up=3),
    Said("Where can I leave my bicycle?", "There are 24 bicycle stands in the yard.", up=1),
    Said("Is there a story hour for small children?", "I found nothing about this in my sources.", down=(None,)),
    Said("Can I read Monday's newspaper?", "Newspapers of the last 14 days lie on the long table.", up=1),
    Said("Wann öffnet die Bibliothek am Samstag?", "On Saturday it is open from 9:30 to 16:00.", up=1),
    Said(
        "Can my dog come along into the reading room?",
        "The reading room has 32 numbered seats.",
        down=(None,),
        passages=(ROOM,),
    ),
    Said("Who may see the town archive?", "It is shown by appointment on Thursdays.", up=1),
)
CONTRADICTIONS = (
    ("How much is a button from the machine?", "A button of 38 millimetres costs 15 cents."),
    ("How much is a button from the button machine?", "A button costs 20 cents."),
)
TALK = (
    ("I ordered a book last week. Is it there?", "I cannot see orders. The front desk can, until 19:00."),
    ("They told me it went back already.", "Books that were ordered are kept for seven days."),
)
WRITTEN = "But I only got the message yesterday. Can somebody look, please?"
OTHERS_WRITTEN = ("Is my umbrella at the desk?", "I would like to speak with a person about my membership.")
