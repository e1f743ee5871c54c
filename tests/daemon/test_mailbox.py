import os
import signal

import pytest

from syncd.daemon.mailbox import SIGNALS, Letter, Mailbox


@pytest.mark.parametrize(
    ("number", "letter"),
    [
        (signal.SIGTERM, Letter.STOP),
        (signal.SIGINT, Letter.STOP),
        (signal.SIGHUP, Letter.RELOAD),
        (signal.SIGUSR1, Letter.KICK),
    ],
)
def test_each_signal_is_a_letter(number: signal.Signals, letter: Letter) -> None:
    mailbox = Mailbox()
    with mailbox.open():
        os.kill(os.getpid(), number)
        assert mailbox.take(10) is letter
        assert mailbox.last_signal == number


def test_letters_come_in_their_order_and_none_is_lost() -> None:
    mailbox = Mailbox()
    sent = [Letter.KICK, Letter.RELOAD, Letter.STOP, Letter.STOP]
    for each in sent:
        mailbox.drop(each)
    assert [mailbox.take(0.001) for _ in range(5)] == [*sent, None]


def test_the_handlers_that_were_there_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with Mailbox().open():
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
