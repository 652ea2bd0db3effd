"""The session of django-rest-live's first README, against the todolist example.

    /usr/bin/python3 tests/clients/seed_session.py 127.0.0.1:3030

It needs a fresh server, and uses only Python's HTTP client and the `websockets` library.
"""

import asyncio
import json
import sys
import urllib.request

import websockets

ADDR = sys.argv[1]
DEADLINE = 20


def http(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{ADDR}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        return response.status


def task(action, id, text, done):
    done = json.dumps(done)
    return '{"model":"todolist.Task","payload":{"id":%d,"text":"%s","done":%s},"action":"%s"}' % (id, text, done, action)


async def expect(ws, *frames):
    for frame in frames:
        received = await asyncio.wait_for(ws.recv(), DEADLINE)
        assert received == frame, f"expected {frame}\nreceived {received}"


async def expect_error(ws, code, error, group):
    received = json.loads(await asyncio.wait_for(ws.recv(), DEADLINE))
    named = ["model", "group"] if group else []
    assert list(received) == ["type", "code", "error", "message", "retry", *named], received
    assert received.get("group") == group, received
    assert (received["type"], received["code"], received["error"]) == ("error", code, error), received


async def subscribe(ws, *requests):
    for request in requests:
        await ws.send(request)
    # The plain dialect acknowledges nothing. The error shows that the server has processed all requests.
    await ws.send("?")
    await expect_error(ws, 400, "malformed_json", None)


async def expect_close(ws, code):
    try:
        received = await asyncio.wait_for(ws.recv(), DEADLINE)
    except websockets.ConnectionClosed:
        assert ws.close_code == code, ws.close_code
    else:
        raise AssertionError(f"expected a close with {code}, received {received}")


async def main():
    url = f"ws://{ADDR}/ws/subscribe/"
    http("POST", "/api/lists", {"name": "Home"})
    http("POST", "/api/lists", {"name": "Work"})

    async with websockets.connect(url) as by_pk, websockets.connect(url) as by_list, websockets.connect(url) as by_both:
        await subscribe(by_pk, '{"model":"todolist.Task","pk":1}')
        await subscribe(by_list, '{"model":"todolist.Task","list_id":1}')
        await subscribe(by_both, '{"model":"todolist.Task","pk":1}', '{"model":"todolist.Task","list_id":1}')

        async def all_expect(*frames):
            await expect(by_pk, *frames)
            await expect(by_list, *frames)
            for frame in frames:
                await expect(by_both, frame, frame)

        assert http("POST", "/api/tasks", {"text": "test", "list_id": 1}) == 201
        await all_expect(task("CREATED", 1, "test", False))
        http("PATCH", "/api/tasks/1", {"done": True})
        await all_expect(task("UPDATED", 1, "test", True))

        for text in ["one", "two", "three"]:
            http("PATCH", "/api/tasks/1", {"text": text})
        await all_expect(*[task("UPDATED", 1, text, True) for text in ["one", "two", "three"]])

        http("PATCH", "/api/tasks/1", {"list_id": 2})
        await expect(by_pk, task("UPDATED", 1, "three", True))
        await expect(by_list, task("DELETED", 1, "three", True))
        await expect(by_both, task("DELETED", 1, "three", True), task("UPDATED", 1, "three", True))

        http("PATCH", "/api/tasks/1", {"list_id": 1})
        await expect(by_pk, task("UPDATED", 1, "three", True))
        await expect(by_list, task("CREATED", 1, "three", True))
        await expect(by_both, task("UPDATED", 1, "three", True), task("CREATED", 1, "three", True))

        await subscribe(by_both, '{"model":"todolist.Task","list_id":1,"unsubscribe":true}')
        assert http("DELETE", "/api/tasks/1") == 204
        await expect(by_pk, task("DELETED", 1, "three", True))
        await expect(by_list, task("DELETED", 1, "three", True))
        await expect(by_both, task("DELETED", 1, "three", True))

        for request, code, error, group in [
            ("{", 400, "malformed_json", None),
            ('{"model":"todolist.Task","pk":' + "[" * 50_000, 400, "malformed_json", None),
            ("[]", 400, "unknown_shape", None),
            ('{"model":"todolist.Task"}', 400, "unknown_shape", None),
            ('{"model":"todolist.Nothing","pk":1}', 404, "unknown_model", {"pk": 1}),
            ('{"model":"todolist.Task","text":"test"}', 404, "unknown_group_key", {"text": "test"}),
            ('{"model":"todolist.Task","pk":"one"}', 400, "bad_value", {"pk": "one"}),
        ]:
            await by_pk.send(request)
            await expect_error(by_pk, code, error, group)

        await by_pk.send(b"\x00")
        await expect_close(by_pk, 1003)
        await by_both.send("x" * 1024 * 1024)
        await expect_close(by_both, 1009)

        # The server and the other connection still work.
        http("POST", "/api/tasks", {"text": "still here", "list_id": 1})
        received = json.loads(await asyncio.wait_for(by_list.recv(), DEADLINE))
        assert received["payload"]["text"] == "still here", received

    print("the session went as it should")


asyncio.run(main())
