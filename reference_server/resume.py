"""Resume: a client that comes back gets exactly what it missed, then what happens now.

No loss and no duplicate, by this order:
1. The connection subscribes and holds its live messages. What is published from here on is held.
2. The newest seq of each conversation is read, and everything after the client's seq is replayed up to it.
3. Sends that were stored before the reading and not yet published are waited for; their events are held as well.
4. The held messages go out, save those that the replay has covered.
"""

from uuid import UUID

from reference_server.chat import Chat
from reference_server.frames import ErrorEvent, ResumeGap, Subscribed
from reference_server.outlet import Outlet
from reference_server.sending import Sender, event_of


async def replay(outlet: Outlet, chat: Chat, sender: Sender, held_seqs: dict[UUID, int], messages_max: int) -> None:
    """Steps 2 to 4; `held_seqs` says the last seq that the client holds of each conversation."""
    newest_seqs = await chat.list_resumable(outlet.user_id, list(held_seqs))
    for conversation_id in held_seqs.keys() - newest_seqs.keys():
        message = f"there is no conversation {conversation_id} for you; it is not resumed"
        await outlet.send_patiently(ErrorEvent(code="not_found", message=message))
    remaining = messages_max
    for conversation_id, newest_seq in newest_seqs.items():
        held_seq = held_seqs[conversation_id]
        missed = newest_seq - held_seq
        if missed > remaining:
            await outlet.send_patiently(
                ResumeGap(conversation_id=conversation_id, from_seq=held_seq + 1, to_seq=newest_seq)
            )
        elif missed > 0:
            remaining -= missed
            for row in await chat.list_missed_messages(outlet.user_id, conversation_id, held_seq, newest_seq):
                await outlet.send_patiently(event_of(row))
    for conversation_id, newest_seq in newest_seqs.items():
        await sender.settle(outlet.user_id, conversation_id, newest_seq)
    outlet.send(Subscribed(topic="messages"))
    outlet.release(newest_seqs)
