"""The owner's folder under two commands, or two pages of the console, at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agent.owner.home.folder import OwnerFolder, StoredStatement

LETTERS, DEVICE = "letters", "front-door"


def test_many_write_read_and_drop_the_same_letters_at_once(home: OwnerFolder) -> None:
    def work(number: int) -> None:
        for turn in range(40):
            name = str(turn % 3)
            home.keep(LETTERS, DEVICE, name, StoredStatement(jws=f"{number}", received_at=1.0))
            assert all(letter.jws.isdigit() for _, letter in home.kept(LETTERS, DEVICE))
            letter = home.letter(LETTERS, DEVICE, name)
            assert letter is None or letter.jws.isdigit()
            if turn % 5 == 0:
                home.drop(LETTERS, DEVICE, name)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
        assert len(set(threads.map(lambda _: home.computer(), range(20)))) == 1
    assert not [*(home.path / LETTERS / DEVICE).glob("*.new")]
