"""A chat client in plain Python: joins, sends with a messageId, drops, resumes. Needs only `websockets`."""
import asyncio, json, sys, uuid
import websockets

url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws"
room = sys.argv[2] if len(sys.argv) > 2 else "chat:lobby"

async def receive(ws, *types):
    while (message := json.loads(await ws.recv()))["type"] not in types:
        pass
    print(message["type"], json.dumps(message["payload"]), flush=True)
    return message

async def send(ws, kind, message_id=None, **payload):
    await ws.send(json.dumps({"type": kind, "payload": {"roomId": room, **payload}, "messageId": message_id or str(uuid.uuid4())}))

async def main():
    async with websockets.connect(url) as ws:
        await send(ws, "join_room")
        await receive(ws, "joined_room")
        await send(ws, "send_message", content="Hello from Python")
        answers = [await receive(ws, "new_message", "ack") for _ in range(3)]  # the join's ack, this one's, and the event
        cursor = next(a["payload"]["savedId"] for a in answers if "savedId" in a["payload"])
        await send(ws, "send_message", content="You will read this again")
    async with websockets.connect(url) as ws:  # later, anywhere: the cursor is all that is needed
        await send(ws, "join_room", after=cursor)
        print("missed:", (await receive(ws, "new_message"))["payload"]["content"])

asyncio.run(main())
