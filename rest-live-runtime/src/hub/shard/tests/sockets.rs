//! Tests of a shard that writes to sockets.

use tokio::io::AsyncReadExt;

use super::*;
use crate::{
    hub::clients::client::WriteState,
    protocol::frame::{close_frame, ping_frame},
};

/// Writes one batch, and returns whether more sockets are ready.
fn write_batch(f: &Fixture) -> bool {
    f.shard.write_batch(&mut WriteBatch::default())
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut received = vec![0; bytes];
    stream.read_exact(&mut received).await.unwrap();
    received
}

fn write_state(f: &Fixture, client: ClientId) -> WriteState {
    f.shard
        .with(|s| s.clients[client.index].socket().unwrap().state)
}

fn close_code(f: &Fixture, client: ClientId) -> Option<CloseCode> {
    f.shard.with(|s| s.clients[client.index].queue.close_code())
}

/// Reads until the shard has written everything, and returns what was received.
pub(super) async fn read_all(f: &Fixture, client: ClientId, stream: &mut TcpStream) -> Vec<u8> {
    let socket = f.shard.with(|s| {
        let socket = s.clients[client.index].socket();
        Arc::clone(&socket.expect("a socket").socket)
    });
    let mut received = Vec::new();
    while write_state(f, client) != WriteState::Idle {
        tokio::select! {
            read = stream.read_buf(&mut received) => assert_ne!(read.unwrap(), 0),
            writable = std::future::poll_fn(|context| socket.poll_writable(context)) => {
                writable.unwrap();
                f.shard.with(|s| s.clients.writable(client));
                write_batch(f);
            }
        }
    }
    socket.shut_down().unwrap();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

/// Reads this number of bytes, while the shard writes.
async fn read_and_write(f: &Fixture, client: ClientId, stream: &mut TcpStream, bytes: usize) {
    let socket = f.shard.with(|s| {
        let socket = s.clients[client.index].socket();
        Arc::clone(&socket.expect("a socket").socket)
    });
    let mut received = 0;
    while received < bytes {
        let mut buffer = vec![0; (bytes - received).min(64 * 1024)];
        tokio::select! {
            read = stream.read(&mut buffer) => received += read.unwrap(),
            writable = std::future::poll_fn(|context| socket.poll_writable(context)) => {
                writable.unwrap();
                f.shard.with(|s| s.clients.writable(client));
                write_batch(f);
            }
        }
    }
}

#[tokio::test]
async fn queued_frames_are_sent_in_one_batch_in_order() {
    let f = Fixture::new();
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe_as(client, 1, "7", Dialect::V0_7).unwrap();
    f.subscribe_as(client, 2, "8", Dialect::V0_7).unwrap();
    f.publish(&[(2, "A}"), (1, "-B}")]);
    f.answer(client, "C");
    assert!(!write_batch(&f), "there is no second batch");
    let expected = [
        r#"{"type":"broadcast","id":7,-B}"#,
        r#"{"type":"broadcast","id":8,A}"#,
        "C",
    ]
    .map(|text| Frame::answer(text).bytes().to_vec())
    .concat();
    assert_eq!(read(&mut stream, expected.len()).await, expected);
    assert_eq!(write_state(&f, client), WriteState::Idle);
}

/// The socket accepts a part, and then nothing for a while.
#[tokio::test]
async fn each_byte_is_written_once_after_a_block() {
    let f = Fixture::with(1024, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let texts: Vec<_> = (0..60)
        .map(|n| format!("{n} {}", "x".repeat(50_000)))
        .collect();
    let mut expected: Vec<u8> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        f.publish(&[(1, text)]);
        expected.extend(Frame::answer(text).bytes());
        if n % 7 == 0 {
            write_batch(&f);
            f.answer(client, "between");
            expected.extend(Frame::answer("between").bytes());
        }
    }
    assert_eq!(write_state(&f, client), WriteState::Blocked);
    assert!(f.logged(1) > 0, "the rest is queued in the log");
    let received = read_all(&f, client, &mut stream).await;
    assert!(
        received == expected,
        "{} of {} bytes",
        received.len(),
        expected.len()
    );
    assert_eq!(f.logged(1), 0);
}

#[tokio::test]
async fn ended_subscription_is_not_put_back() {
    let f = Fixture::with(1024, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    for value in [1, 2] {
        f.subscribe(client, value).unwrap();
    }
    let large = "x".repeat(1 << 20);
    f.publish(&[(2, &large)]);
    f.publish(&[(1, "revoked")]);
    f.publish(&[(2, "goes on")]);
    write_batch(&f);
    assert_eq!(write_state(&f, client), WriteState::Blocked);
    f.shard.with(|s| drop(s.unsubscribe(client, &group(1))));
    let received = read_all(&f, client, &mut stream).await;
    let expected = [&large, "goes on"].map(|text| Frame::answer(text).bytes().to_vec());
    assert!(received == expected.concat());
}

/// A frame that was put back contains the id already, and the client may use the id again.
#[tokio::test]
async fn ended_id_receives_no_frame() {
    let f = Fixture::with(1024, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    for (value, id) in [(1, "7"), (1, "8"), (2, "9")] {
        f.subscribe_as(client, value, id, Dialect::V0_7).unwrap();
    }
    f.publish(&[(2, &format!("{}}}", "x".repeat(1 << 20)))]);
    f.publish(&[(1, "old}")]);
    write_batch(&f);
    assert!(f.unsubscribe_id(client, "7"));
    f.publish(&[(1, "new}")]);
    let received = read_all(&f, client, &mut stream).await;
    let received = String::from_utf8_lossy(&received[1 << 20..]);
    assert!(
        !received.contains(r#""id":7"#) && !received.contains("old"),
        "{received}"
    );
    assert!(received.contains(r#""id":8,new}"#), "{received}");
    assert!(received.contains(r#""error":"reset""#), "{received}");
}

#[tokio::test]
async fn no_pong_follows_the_close() {
    let f = Fixture::new();
    let (client, mut stream) = f.join_with_socket().await;
    f.shard
        .with(|s| s.close_session(client, CloseCode::TooMany));
    write_batch(&f);
    f.shard.with(|s| s.clients.pong(client, ping_frame()));
    let received = read_all(&f, client, &mut stream).await;
    assert_eq!(received, close_frame(CloseCode::TooMany));
}

#[tokio::test]
async fn lagging_socket_ends_its_frame_before_the_replay() {
    let f = Fixture::with(3, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    write_batch(&f);
    for _ in 0..9 {
        f.publish(&[(1, "unseen")]);
    }
    assert!(f.is_behind(client));
    assert!(f.taken_catching_up().is_empty(), "the frame is not written");
    let frame = Frame::answer(&large).bytes().len();
    read_and_write(&f, client, &mut stream, frame).await;
    assert_eq!(f.taken_catching_up(), [client]);
    f.catch_up(client, "replay");
    write_batch(&f);
    let replay = Frame::answer("replay").bytes().to_vec();
    assert_eq!(read(&mut stream, replay.len()).await, replay);
    f.publish(&[(1, "next")]);
    write_batch(&f);
    let next = Frame::answer("next").bytes().to_vec();
    assert_eq!(read(&mut stream, next.len()).await, next);
}

/// The position up to which a client was sent everything moves on although its socket is never
/// idle, and is never past what is written.
#[tokio::test]
async fn position_follows_a_socket_that_is_never_idle() {
    let f = Fixture::with(1024, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let large = "x".repeat(1 << 20);
    let length = Frame::answer(&large).bytes().len();
    let position = || f.shard.with(|s| s.clients[client.index].position);
    let mut published = vec![];
    f.publish(&[(1, &large)]);
    published.push(f.position.get());
    write_batch(&f);
    for round in 1..20 {
        f.publish(&[(1, &large)]);
        published.push(f.position.get());
        assert_eq!(write_state(&f, client), WriteState::Blocked);
        // The socket accepts one message more, while the next one is queued.
        read_and_write(&f, client, &mut stream, length).await;
        // The last message may be written in part.
        assert!(position() < published[round], "in round {round}");
        assert!(
            round < 5 || position() >= published[round - 4],
            "the position {} is old in round {round}",
            position()
        );
    }
}

/// What is left of the message that is sent in part is not dropped, so it is not replayed.
#[tokio::test]
async fn begun_message_is_not_replayed() {
    let f = Fixture::with(2, 64 << 20);
    let (client, _stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    f.publish(&[(1, &"x".repeat(1 << 20))]);
    let begun = f.position.get();
    f.shard.with(State::end_batch);
    write_batch(&f);
    for _ in 0..3 {
        f.publish(&[(1, "dropped")]);
    }
    assert!(f.is_behind(client));
    let catch_up = f.shard.with(|s| s.catch_up(client)).unwrap();
    assert_eq!(catch_up.since.position, begun);
}

/// A position means nothing after the log has continued elsewhere.
#[tokio::test]
async fn new_epoch_ends_that_a_client_is_behind() {
    let f = Fixture::with(2, 64 << 20);
    let (client, _stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    f.publish(&[(1, &"x".repeat(1 << 20))]);
    write_batch(&f);
    for _ in 0..3 {
        f.publish(&[(1, "dropped")]);
    }
    assert!(f.is_behind(client));
    let cursor = Cursor {
        epoch: Epoch::random(),
        position: 3,
    };
    f.shard.with(|s| s.reset(&cursor, 1, ResetReason::Lagged));
    assert!(!f.is_behind(client));
    let position = f.shard.with(|s| s.clients[client.index].position);
    assert_eq!(position, 3);
}

#[tokio::test]
async fn forbidden_client_receives_the_close_next() {
    let f = Fixture::with(8, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.publish(&[(1, "secret")]);
    write_batch(&f);
    f.publish(&[(1, "secret")]);
    f.answer(client, "secret");
    f.shard
        .with(|s| s.close_session(client, CloseCode::Forbidden));
    let received = read_all(&f, client, &mut stream).await;
    let frame = Frame::answer(&large).bytes().len();
    assert_eq!(
        &received[frame..],
        &close_frame(CloseCode::Forbidden)[..],
        "after the frame that was sent in part"
    );
}

#[tokio::test]
async fn stalled_client_is_closed_and_then_dropped() {
    let f = Fixture::with(8, 64 << 20);
    let (client, _stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    f.publish(&[(1, &"x".repeat(1 << 20))]);
    write_batch(&f);
    let socket_state = || {
        f.shard
            .with(|s| s.clients[client.index].socket().unwrap().socket.state())
    };
    let state = || (close_code(&f, client), socket_state());
    let stall = Limits::default().stall_timeout.unwrap();
    let heartbeat = |after| {
        f.shard.with(|s| s.heartbeat(Instant::now() + after));
    };
    heartbeat(stall / 2);
    assert_eq!(state(), (None, SocketState::Blocked));
    heartbeat(stall);
    assert_eq!(state(), (Some(CloseCode::TooSlow), SocketState::Blocked));
    heartbeat(stall * 3 / 2);
    assert_eq!(
        socket_state(),
        SocketState::Blocked,
        "the close frame has as much time"
    );
    heartbeat(stall * 2);
    assert_eq!(socket_state(), SocketState::Lost);
}

#[tokio::test]
async fn stalled_client_that_reads_again_receives_the_close() {
    let f = Fixture::with(8, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.publish(&[(1, "dropped")]);
    write_batch(&f);
    let stall = Limits::default().stall_timeout.unwrap();
    f.shard.with(|s| s.heartbeat(Instant::now() + stall));
    f.publish(&[(1, "not sent")]);
    let received = read_all(&f, client, &mut stream).await;
    let expected = [
        Frame::answer(&large).bytes().to_vec(),
        close_frame(CloseCode::TooSlow).to_vec(),
    ];
    assert!(received == expected.concat());
}

#[tokio::test]
async fn silent_client_is_pinged_and_then_closed() {
    let f = Fixture::new();
    let (client, _stream) = f.join_with_socket().await;
    let (interval, idle) = {
        let limits = Limits::default();
        (limits.ping_interval.unwrap(), limits.idle_timeout.unwrap())
    };
    let pings = || {
        f.shard.with(|s| {
            let queue = s.clients[client.index].queue.iter();
            let pings = queue.filter(|queued| {
                matches!(
                    (queued.kind, &queued.content),
                    (MessageKind::Control, Content::Raw(..))
                )
            });
            pings.count()
        })
    };
    let start = Instant::now();
    let heartbeat = |after| f.shard.with(|s| s.heartbeat(start + after));
    heartbeat(interval / 2);
    assert_eq!(pings(), 0);
    heartbeat(interval * 3 / 2);
    assert_eq!(pings(), 1);
    write_batch(&f);
    heartbeat(interval * 3 / 2 + idle);
    assert_eq!(close_code(&f, client), Some(CloseCode::Silent));
}

/// A client that leaves may be the first ready one, and another client may take its index.
#[tokio::test]
async fn client_that_leaves_while_ready_is_skipped() {
    let f = Fixture::new();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let (client, stream) = f.join_with_socket().await;
        f.subscribe(client, 1).unwrap();
        clients.push((client, stream));
    }
    f.publish(&[(1, "a")]);
    for index in [0, 31, 31] {
        let (client, _stream) = clients.remove(index);
        f.shard.leave(client);
        assert!(!f.shard.with(|s| s.clients.is_far_ahead()));
    }
    let (newcomer, mut newcomer_stream) = f.join_with_socket().await;
    f.subscribe(newcomer, 1).unwrap();
    f.publish(&[(1, "b")]);
    while write_batch(&f) {}
    let [a, b] = ["a", "b"].map(|text| Frame::answer(text).bytes().to_vec());
    for (_, stream) in &mut clients {
        assert_eq!(read(stream, 6).await, [&a[..], &b].concat());
    }
    assert_eq!(read(&mut newcomer_stream, 3).await, b);
}

/// The close frame waits for a client that does not read. Whatever else would close the session
/// meanwhile does not replace it.
#[tokio::test]
async fn queued_close_frame_stays_the_last() {
    let f = Fixture::with(8, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe(client, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.shard
        .with(|s| s.close_session(client, CloseCode::GoingAway));
    write_batch(&f);
    f.shard.with(|s| {
        s.reset(&f.cursor(900), 0, ResetReason::Lagged);
        s.close_at_once(client, CloseCode::TooSlow);
        s.closed_by_client(client, close_frame(CloseCode::Protocol));
    });
    let received = read_all(&f, client, &mut stream).await;
    let expected = [
        Frame::answer(&large).bytes().to_vec(),
        close_frame(CloseCode::GoingAway).to_vec(),
    ];
    assert!(
        received == expected.concat(),
        "{:?}",
        &received[received.len() - 40..]
    );
}

#[tokio::test]
async fn abandoned_shard_drops_present_and_new_sockets() {
    let f = Fixture::new();
    let (present, _stream) = f.join_with_socket().await;
    f.shard.with(State::abandon);
    let (new, _stream) = f.join_with_socket().await;
    let state = |client: ClientId| {
        f.shard.with(|s| {
            let socket = s.clients[client.index].socket();
            socket.map(|socket| socket.socket.state())
        })
    };
    assert_eq!(
        (state(present), state(new)),
        (Some(SocketState::Lost), None)
    );
}
