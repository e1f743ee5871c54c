import os
import signal

import pytest

from syncd.daemon.signals import SIGNALS, Command, SignalQueue


@pytest.mark.parametrize(
    ("number", "command"),
    [
        (signal.SIGTERM, Command.STOP),
        (signal.SIGINT, Command.STOP),
        (signal.SIGHUP, Command.RELOAD),
        (signal.SIGUSR1, Command.KICK),
    ],
)
def test_each_signal_is_a_command(number: signal.Signals, command: Command) -> None:
    mailbox = SignalQueue()
    with mailbox.open():
        os.kill(os.getpid(), number)
        assert mailbox.take(10) is command
        assert mailbox.last_signal == number


def test_commands_come_in_their_order_and_none_is_lost() -> None:
    mailbox = SignalQueue()
    sent = [Command.KICK, Command.RELOAD, Command.STOP, Command.STOP]
    for each in sent:
        mailbox.drop(each)
    assert [mailbox.take(0.001) for _ in range(5)] == [*sent, None]


def test_the_handlers_that_were_there_are_put_back() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with SignalQueue().open():
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
