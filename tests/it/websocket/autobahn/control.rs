//! Pings and pongs (2.x).

use super::{
    Server,
    frame::{FIN, PING, PONG, close, close_payload, frame, ping, pong, text},
    raw_client::Reply,
};

#[tokio::test]
async fn pong_echoes_the_payload() {
    let every_byte = |from: u8| (from..=from + 124).collect::<Vec<u8>>();
    let mut cases = Vec::new();
    for (numbers, payload) in [
        ("2.1", vec![]),
        ("2.2, of one byte", b"x".to_vec()),
        ("2.2", b"Hello, world!".to_vec()),
        ("2.3", b"\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF".to_vec()),
        ("2.4, 2.6", vec![0xFE; 125]),
        ("2.4, the first half of all bytes", every_byte(0)),
        ("2.4, the second half of all bytes", every_byte(131)),
    ] {
        cases.push((numbers, vec![ping(&payload)], vec![Reply::Pong(payload)]));
    }
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn ten_pings_get_ten_pongs_in_order() {
    let payloads: Vec<_> = (0..10).map(|number| format!("payload-{number}")).collect();
    let pings = payloads.iter().map(|payload| ping(payload.as_bytes()));
    let pongs = payloads.iter().map(|p| Reply::Pong(p.clone().into_bytes()));
    let cases = [("2.10, 2.11", pings.collect(), pongs.collect())];
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn pings_and_messages_are_answered_in_order() {
    let pong = |payload: &[u8]| Reply::Pong(payload.to_vec());
    let frames = [ping(b"1"), text(b"2"), ping(b"3"), ping(b"4"), text(b"5")];
    let replies = vec![
        pong(b"1"),
        Reply::Answer,
        pong(b"3"),
        pong(b"4"),
        Reply::Answer,
    ];
    let cases = [("2.10 with messages between", frames.to_vec(), replies)];
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn unsolicited_pong_is_ignored() {
    let unsolicited = || pong(b"unsolicited pong payload");
    let normal_close = close_payload(1000, b"");
    let cases = [
        (
            "2.7",
            vec![pong(b""), close(&normal_close)],
            vec![Reply::CloseWith(normal_close.clone())],
        ),
        (
            "2.8",
            vec![unsolicited(), close(&normal_close)],
            vec![Reply::CloseWith(normal_close)],
        ),
        (
            "2.9",
            vec![unsolicited(), ping(b"ping payload")],
            vec![Reply::Pong(b"ping payload".to_vec())],
        ),
    ];
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn control_frame_of_126_bytes_closes_with_1002() {
    let closed = || vec![Reply::Close(1002)];
    let cases = [
        ("2.5", vec![frame(FIN | PING, &[0xFE; 126])], closed()),
        (
            "2.5, a pong",
            vec![frame(FIN | PONG, &[0xFE; 126])],
            closed(),
        ),
        (
            "2.5, far longer",
            vec![frame(FIN | PING, &[0xFE; 300])],
            closed(),
        ),
    ];
    Server::start().await.try_all(&cases).await;
}
