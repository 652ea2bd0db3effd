//! What is written to sockets.

use tokio::io::AsyncReadExt;

use super::*;
use crate::hub::clients::client::Flow;

fn turn(f: &Fixture) -> bool {
    f.shard.take_turn(&mut Turn::default())
}

async fn read(client: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut came = vec![0; bytes];
    client.read_exact(&mut came).await.unwrap();
    came
}

fn flow(f: &Fixture, peer: ClientId) -> Flow {
    f.shard
        .with(|s| s.peers[peer.place].attached().unwrap().flow)
}

/// Reads until the server has written all, and returns what came.
async fn drain(f: &Fixture, peer: ClientId, client: &mut TcpStream) -> Vec<u8> {
    let wire = f.shard.with(|s| {
        let attached = s.peers[peer.place].attached();
        Arc::clone(&attached.expect("a socket").wire)
    });
    let mut came = Vec::new();
    while flow(f, peer) != Flow::Idle {
        tokio::select! {
            read = client.read_buf(&mut came) => assert_ne!(read.unwrap(), 0),
            writable = std::future::poll_fn(|context| wire.poll_writable(context)) => {
                writable.unwrap();
                f.shard.with(|s| s.writable(peer));
                turn(f);
            }
        }
    }
    wire.shut_down().unwrap();
    client.read_to_end(&mut came).await.unwrap();
    came
}

#[tokio::test]
async fn all_that_waits_leaves_in_one_turn_and_in_order() {
    let f = Fixture::new();
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe_as(peer, 1, "7", Dialect::V0_7).unwrap();
    f.subscribe_as(peer, 2, "8", Dialect::V0_7).unwrap();
    f.publish(&[(2, "A}"), (1, "-B}")]);
    f.answer(peer, "C");
    assert!(!turn(&f), "there is no other turn");
    let expected = [
        r#"{"type":"broadcast","id":7,-B}"#,
        r#"{"type":"broadcast","id":8,A}"#,
        "C",
    ]
    .map(|text| Frame::answer(text).bytes().to_vec())
    .concat();
    assert_eq!(read(&mut client, expected.len()).await, expected);
    assert_eq!(flow(&f, peer), Flow::Idle);
}

/// The socket takes a part, and then nothing for a while.
#[tokio::test]
async fn what_could_not_be_written_is_written_later_each_byte_once() {
    let f = Fixture::with(1024, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    let texts: Vec<_> = (0..60)
        .map(|n| format!("{n} {}", "x".repeat(50_000)))
        .collect();
    let mut expected: Vec<u8> = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        f.publish(&[(1, text)]);
        expected.extend(Frame::answer(text).bytes());
        if n % 7 == 0 {
            turn(&f);
            f.answer(peer, "between");
            expected.extend(Frame::answer("between").bytes());
        }
    }
    assert_eq!(flow(&f, peer), Flow::Blocked);
    assert!(f.logged(1) > 0, "the rest waits in the log");
    let came = drain(&f, peer, &mut client).await;
    assert!(
        came == expected,
        "{} of {} bytes",
        came.len(),
        expected.len()
    );
    assert_eq!(f.logged(1), 0);
}

#[tokio::test]
async fn what_is_over_is_not_written_though_it_was_packed() {
    let f = Fixture::with(1024, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    for value in [1, 2] {
        f.subscribe(peer, value).unwrap();
    }
    let large = "x".repeat(1 << 20);
    f.publish(&[(2, &large)]);
    f.publish(&[(1, "revoked")]);
    f.publish(&[(2, "goes on")]);
    turn(&f);
    assert_eq!(flow(&f, peer), Flow::Blocked);
    f.shard.with(|s| drop(s.unsubscribe(peer, &group(1))));
    let came = drain(&f, peer, &mut client).await;
    let expected = [&large, "goes on"].map(|text| Frame::answer(text).bytes().to_vec());
    assert!(came == expected.concat());
}

/// What was packed carries the name already, which may mean something else by the time it is read.
#[tokio::test]
async fn nothing_is_told_under_a_name_that_was_taken_back() {
    let f = Fixture::with(1024, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    for (value, id) in [(1, "7"), (1, "8"), (2, "9")] {
        f.subscribe_as(peer, value, id, Dialect::V0_7).unwrap();
    }
    f.publish(&[(2, &format!("{}}}", "x".repeat(1 << 20)))]);
    f.publish(&[(1, "old}")]);
    turn(&f);
    assert!(f.unsubscribe_id(peer, "7"));
    f.publish(&[(1, "new}")]);
    let came = drain(&f, peer, &mut client).await;
    let came = String::from_utf8_lossy(&came[1 << 20..]);
    assert!(
        !came.contains(r#""id":7"#) && !came.contains("old"),
        "{came}"
    );
    assert!(came.contains(r#""id":8,new}"#), "{came}");
    assert!(came.contains(r#""error":"reset""#), "{came}");
}

#[tokio::test]
async fn a_pong_does_not_follow_the_close() {
    let f = Fixture::new();
    let (peer, mut client) = f.join_on_a_socket().await;
    f.shard.with(|s| s.close_session(peer, CloseCode::TooMany));
    turn(&f);
    f.shard
        .with(|s| s.pong(peer, crate::protocol::frame::ping_frame()));
    let came = drain(&f, peer, &mut client).await;
    assert_eq!(
        came,
        crate::protocol::frame::close_frame(CloseCode::TooMany)
    );
}

#[tokio::test]
async fn a_blocked_socket_lags_and_its_frame_ends_before_the_reset() {
    let f = Fixture::with(3, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    turn(&f);
    for _ in 0..9 {
        f.publish(&[(1, "unseen")]);
    }
    let came = drain(&f, peer, &mut client).await;
    let frame = Frame::answer(&large).bytes().len();
    assert!(came.len() > frame);
    let reset = String::from_utf8_lossy(&came[frame..]);
    assert!(
        reset.contains(r#""error":"reset""#) && !reset.contains("unseen"),
        "{reset}"
    );
}

#[tokio::test]
async fn one_that_may_not_come_back_gets_the_close_behind_what_has_begun() {
    let f = Fixture::with(8, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.publish(&[(1, "secret")]);
    turn(&f);
    f.publish(&[(1, "secret")]);
    f.answer(peer, "secret");
    f.shard
        .with(|s| s.close_session(peer, CloseCode::Forbidden));
    let came = drain(&f, peer, &mut client).await;
    let frame = Frame::answer(&large).bytes().len();
    assert_eq!(
        &came[frame..],
        &crate::protocol::frame::close_frame(CloseCode::Forbidden)[..]
    );
}

#[tokio::test]
async fn who_stalls_is_closed_and_then_dropped() {
    let f = Fixture::with(8, 64 << 20);
    let (peer, _client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    f.publish(&[(1, &"x".repeat(1 << 20))]);
    turn(&f);
    let state = || {
        f.shard
            .with(|s| s.peers[peer.place].attached().unwrap().wire.state())
    };
    let stall = Limits::default().stall_timeout.unwrap();
    let look = |after| {
        f.shard
            .with(|s| s.look_at_the_clock(Instant::now() + after));
    };
    look(stall / 2);
    let closes = || f.shard.with(|s| s.peers[peer.place].outbox.closes());
    assert_eq!((closes(), state()), (None, SocketState::Blocked));
    look(stall);
    assert_eq!(
        (closes(), state()),
        (Some(CloseCode::TooSlow), SocketState::Blocked)
    );
    look(stall * 3 / 2);
    assert_eq!(
        state(),
        SocketState::Blocked,
        "it has as long for the close"
    );
    look(stall * 2);
    assert_eq!(state(), SocketState::Lost);
}

#[tokio::test]
async fn who_stalled_and_reads_again_learns_why_it_is_closed() {
    let f = Fixture::with(8, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.publish(&[(1, "dropped")]);
    turn(&f);
    let stall = Limits::default().stall_timeout.unwrap();
    f.shard
        .with(|s| s.look_at_the_clock(Instant::now() + stall));
    f.publish(&[(1, "not told")]);
    let came = drain(&f, peer, &mut client).await;
    let expected = [
        Frame::answer(&large).bytes().to_vec(),
        crate::protocol::frame::close_frame(CloseCode::TooSlow).to_vec(),
    ];
    assert!(came == expected.concat());
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let f = Fixture::new();
    let (peer, _client) = f.join_on_a_socket().await;
    let (interval, idle) = {
        let limits = Limits::default();
        (limits.ping_interval.unwrap(), limits.idle_timeout.unwrap())
    };
    let own = || {
        f.shard.with(|s| {
            let own = s.peers[peer.place].outbox.own();
            let raw = own.filter(|p| matches!((p.kind, &p.what), (Kind::Control, What::Raw(..))));
            raw.count()
        })
    };
    let begin = Instant::now();
    let look = |after| f.shard.with(|s| s.look_at_the_clock(begin + after));
    look(interval / 2);
    assert_eq!(own(), 0);
    look(interval * 3 / 2);
    assert_eq!(own(), 1);
    turn(&f);
    look(interval * 3 / 2 + idle);
    let closes = f.shard.with(|s| s.peers[peer.place].outbox.closes());
    assert_eq!(closes, Some(CloseCode::Silent));
}

/// It may have been the first whose turn came, and the place another's by then.
#[tokio::test]
async fn who_leaves_while_its_turn_comes_is_passed_over() {
    let f = Fixture::new();
    let mut clients = Vec::new();
    for _ in 0..40 {
        let (peer, client) = f.join_on_a_socket().await;
        f.subscribe(peer, 1).unwrap();
        clients.push((peer, client));
    }
    f.publish(&[(1, "a")]);
    for index in [0, 31, 31] {
        let (peer, _client) = clients.remove(index);
        f.shard.leave(peer);
        assert!(!f.shard.with(|s| s.is_far_ahead()));
    }
    let (newcomer, mut other) = f.join_on_a_socket().await;
    f.subscribe(newcomer, 1).unwrap();
    f.publish(&[(1, "b")]);
    while turn(&f) {}
    let [a, b] = ["a", "b"].map(|text| Frame::answer(text).bytes().to_vec());
    for (_, client) in &mut clients {
        assert_eq!(read(client, 6).await, [&a[..], &b].concat());
    }
    assert_eq!(read(&mut other, 3).await, b);
}

/// Our close frame waits behind what the client does not read, and stays the last word whatever is found out meanwhile.
#[tokio::test]
async fn a_close_that_waits_is_the_last_word() {
    let f = Fixture::with(8, 64 << 20);
    let (peer, mut client) = f.join_on_a_socket().await;
    f.subscribe(peer, 1).unwrap();
    let large = "x".repeat(1 << 20);
    f.publish(&[(1, &large)]);
    f.shard
        .with(|s| s.close_session(peer, CloseCode::GoingAway));
    turn(&f);
    f.shard.with(|s| {
        s.reset(&f.cursor(900), 0, ResetReason::Lagged);
        s.close_at_once(peer, CloseCode::TooSlow);
        s.closed_by_client(
            peer,
            crate::protocol::frame::close_frame(CloseCode::Protocol),
        );
    });
    let came = drain(&f, peer, &mut client).await;
    let expected = [
        Frame::answer(&large).bytes().to_vec(),
        crate::protocol::frame::close_frame(CloseCode::GoingAway).to_vec(),
    ];
    assert!(came == expected.concat(), "{:?}", &came[came.len() - 40..]);
}

#[tokio::test]
async fn an_abandoned_shard_loses_its_sockets_and_takes_no_more() {
    let f = Fixture::new();
    let (one, _client) = f.join_on_a_socket().await;
    f.shard.with(State::abandon);
    let (other, _client) = f.join_on_a_socket().await;
    let state = |peer: ClientId| {
        f.shard
            .with(|s| s.peers[peer.place].attached().map(|a| a.wire.state()))
    };
    assert_eq!((state(one), state(other)), (Some(SocketState::Lost), None));
}
