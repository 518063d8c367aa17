"""The text the demo model is trained on and measured with: sentences about two people, and random words repeated."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import demo_words as words
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unknown|>"
CONTEXT_LENGTH = 128

# One name in this many pairs, by the places of the two names in the list, is kept from training: see `is_held_out`.
HELD_OUT_EVERY = 8

# {A} and {B} are the two people, {S} is the one of them named again, who gives, {R} is the other one, who receives.
TWO_PEOPLE = (
    "When {A} and {B} went to the {place} , {S} {gave} a {object} to {R} .",
    "When {A} and {B} were at the {place} , {S} {gave} the {object} to {R} .",
    "After {A} and {B} met at the {place} , {S} {gave} a {adjective} {object} to {R} .",
    "While {A} and {B} were walking to the {place} , {S} {gave} a {object} to {R} .",
    "When {A} got a {object} at the {place} with {B} , {S} decided to show it to {R} .",
    "Then , {A} and {B} went to the {place} , and {S} {gave} a {object} to {R} .",
    "Later {A} and {B} talked by the {place} , and {S} {gave} the {adjective} {object} to {R} .",
    "{A} and {B} had a long day at the {place} . Then {S} {gave} a {object} to {R} .",
    "{A} and {B} played in the {place} , and then {S} {gave} a {object} to {R} .",
    "Because {A} and {B} had fun at the {place} , {S} {gave} the {object} to {R} .",
    "Today {A} met {B} near the {place} , and {S} {gave} a {object} to {R} .",
    "Before {A} and {B} went to the {place} , {S} wanted to {give} a {object} to {R} .",
)
GIVING_VERBS_PLAIN = ("give", "hand", "offer", "pass")

SCENES = (
    "The {adjective} {animal} slept behind the {place} .",
    "A {adjective} {animal} ran over the {place} .",
    "{A} found a {adjective} {object} in the {place} .",
    "Yesterday {A} saw a {animal} near the {place} .",
    "In the {place} stood a {adjective} {object} .",
    "At the {place} {A} lost the {object} .",
    "The {animal} and the {animal2} jumped on the {object} .",
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence about two people, cut before its last name: the prompt, the right answer and the wrong one."""

    text: str
    receiver: str
    giver: str

    @property
    def prompt(self) -> str:
        """Everything before the receiver's last mention."""
        return self.text[: self.text.rindex(f" {self.receiver} ")]


def vocabulary() -> list[str]:
    """Every token of the model in the order of its id: the two special ones, then the words."""
    plain = [
        *words.FRAME_WORDS,
        *GIVING_VERBS_PLAIN,
        "show",
        *words.GIVING_VERBS,
        *words.NAMES,
        *words.PLACES,
        *words.OBJECTS,
        *words.ANIMALS,
        *words.ADJECTIVES,
        *words.OTHER_WORDS,
    ]
    return [END_OF_TEXT, UNKNOWN, *dict.fromkeys(word for word in plain if word not in {END_OF_TEXT, UNKNOWN})]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer with one token a word, where punctuation is a word of its own and no token is added unasked."""
    ids = {word: index for index, word in enumerate(vocabulary())}
    backend = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    backend.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        unk_token=UNKNOWN,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def is_held_out(first: str, second: str) -> bool:
    """Whether these two people never share a sentence in training, so that any sentence about them is unseen."""
    return (words.NAMES.index(first) + words.NAMES.index(second)) % HELD_OUT_EVERY == 0


def two_people_sentence(rng: random.Random, *, held_out: bool = False, template: str | None = None) -> Sentence:
    """Draw a sentence in which one of two people gives something to the other."""
    while True:
        first, second = rng.sample(words.NAMES, 2)
        if is_held_out(first, second) == held_out:
            break
    giver, receiver = (first, second) if rng.random() < 0.5 else (second, first)
    text = (template or rng.choice(TWO_PEOPLE)).format(
        A=first,
        B=second,
        S=giver,
        R=receiver,
        gave=rng.choice(words.GIVING_VERBS),
        give=rng.choice(GIVING_VERBS_PLAIN),
        place=rng.choice(words.PLACES),
        object=rng.choice(words.OBJECTS),
        adjective=rng.choice(words.ADJECTIVES),
    )
    return Sentence(text, receiver, giver)


def held_out_sentences(count: int, seed: int) -> Iterator[Sentence]:
    """Draw sentences about pairs of people that training never puts together."""
    rng = random.Random(seed)
    for _ in range(count):
        yield two_people_sentence(rng, held_out=True)


def scene(rng: random.Random) -> str:
    """Draw a sentence in which nobody gives anything."""
    animal, other_animal = rng.sample(words.ANIMALS, 2)
    return rng.choice(SCENES).format(
        A=rng.choice(words.NAMES),
        animal=animal,
        animal2=other_animal,
        place=rng.choice(words.PLACES),
        object=rng.choice(words.OBJECTS),
        adjective=rng.choice(words.ADJECTIVES),
    )


def story(rng: random.Random, length: int) -> list[str]:
    """Draw `length` words of sentences one after another, the last one cut where the row ends."""
    row = [END_OF_TEXT] if rng.random() < 0.2 else []
    while len(row) < length:
        sentence = two_people_sentence(rng).text if rng.random() < 0.8 else scene(rng)
        row.extend(sentence.split())
    return row[:length]


def repeated_words(rng: random.Random, length: int, deck: list[str]) -> list[str]:
    """Draw `length` words in which runs of random words, each said twice, follow one another.

    The runs differ in length and start anywhere, so no fixed distance gives the answer away. No two runs share a word.
    """
    unused = rng.sample(deck, length)
    row = [END_OF_TEXT] if rng.random() < 0.2 else []
    if rng.random() < 0.5:
        row += [unused.pop() for _ in range(rng.randint(1, length // 4))]
    while len(row) < length:
        longest = max(4, (length - len(row)) // 2)
        run = [unused.pop() for _ in range(rng.randint(4, longest))]
        row += run + run
    return row[:length]
