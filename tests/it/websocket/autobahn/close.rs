//! The end of a connection (7.x).

use super::{
    Case, Server,
    frame::{close, close_payload, fragments, ping, text},
    raw_client::{Delivery, Reply},
};

fn normal_close() -> Vec<u8> {
    close_payload(1000, b"")
}

/// Each case ends with one close frame, and nothing after it.
fn closing_cases() -> Vec<Case> {
    let echoed = |numbers, frames: &[Vec<u8>]| {
        let replies = vec![Reply::CloseWith(normal_close())];
        (numbers, frames.to_vec(), replies)
    };
    let ended = || close(&normal_close());
    let [begun, continued] = &fragments(["fragment1", "fragment2"])[..] else {
        unreachable!("two parts are two frames")
    };
    vec![
        echoed("7.1.2", &[ended(), ended()]),
        echoed("7.1.2, the second is empty", &[ended(), close(b"")]),
        echoed("7.1.2, the second is wrong", &[ended(), close(b"a")]),
        echoed("7.1.3", &[ended(), ping(b"")]),
        echoed("7.1.4", &[ended(), text(b"Hello World!")]),
        echoed("7.1.5", &[begun.clone(), ended(), continued.clone()]),
        // Autobahn leaves it to the server whether to answer the messages before.
        (
            "7.1.6, with less",
            vec![text(&[b'x'; 3000]), text(b"Hello"), ended(), ping(b"")],
            vec![
                Reply::MaybeAnswer,
                Reply::MaybeAnswer,
                Reply::CloseWith(normal_close()),
            ],
        ),
        (
            "7.1.3, the ping is before it",
            vec![ping(b"before"), ended()],
            vec![
                Reply::Pong(b"before".to_vec()),
                Reply::CloseWith(normal_close()),
            ],
        ),
    ]
}

#[tokio::test]
async fn nothing_follows_a_close() {
    Server::start().await.try_all(&closing_cases()).await;
}

/// The server reads and writes in two tasks. Here they run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_a_close_on_several_threads() {
    Server::start().await.try_all(&closing_cases()).await;
}

/// 7.1.1: the answer arrives before the close.
#[tokio::test]
async fn message_before_a_close_is_answered() {
    let mut server = Server::start().await;
    let mut client = server.connect("case 7.1.1").await;
    client.send(&[text(b"Hello World!")], Delivery::Whole).await;
    client.expect(&Reply::Answer).await;
    server.finish(client).await;
}

#[tokio::test]
async fn close_is_echoed() {
    let longest = "*".repeat(123);
    let greek = "κόσμε".repeat(11);
    let mut cases = vec![("7.3.1", vec![close(b"")], vec![Reply::CloseWith(vec![])])];
    let mut echoed = |numbers, code, reason: &str| {
        let payload = close_payload(code, reason.as_bytes());
        cases.push((
            numbers,
            vec![close(&payload)],
            vec![Reply::CloseWith(payload)],
        ));
    };
    echoed("7.3.3", 1000, "");
    echoed("7.3.4", 1000, "Hello World!");
    echoed("7.3.5", 1000, &longest);
    echoed("7.3.5, not ASCII", 4999, &greek);
    for (numbers, code) in [
        ("7.7.1", 1000),
        ("7.7.2", 1001),
        ("7.7.3", 1002),
        ("7.7.4", 1003),
        ("7.7.5", 1007),
        ("7.7.6", 1008),
        ("7.7.7", 1009),
        ("7.7.8", 1010),
        ("7.7.9", 1011),
        ("7.7.10", 3000),
        ("7.7.11", 3999),
        ("7.7.12", 4000),
        ("7.7.13", 4999),
    ] {
        echoed(numbers, code, "");
    }
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn invalid_close_closes_with_1002() {
    let too_long = close_payload(1000, &[b'*'; 124]);
    let mut cases = vec![
        ("7.3.2", vec![close(b"a")], vec![Reply::Close(1002)]),
        ("7.3.6", vec![close(&too_long)], vec![Reply::Close(1002)]),
    ];
    for (numbers, code) in [
        ("7.9.1", 0),
        ("7.9.2", 999),
        ("7.9.3", 1004),
        ("7.9.4", 1005),
        ("7.9.5", 1006),
        ("7.9.6", 1016),
        ("7.9.7", 1100),
        ("7.9.8", 2000),
        ("7.9.9", 2999),
        // Autobahn leaves these to the server. RFC 6455, section 7.4.2, has no codes above 4999.
        ("7.13.1", 5000),
        ("7.13.2", 65535),
    ] {
        for reason in ["", "reason"] {
            let frames = vec![close(&close_payload(code, reason.as_bytes()))];
            cases.push((numbers, frames, vec![Reply::Close(1002)]));
        }
    }
    Server::start().await.try_all(&cases).await;
}

/// Autobahn accepts 1002 and 1007. This server sends 1007, as for any text: RFC 6455, section 8.1,
/// fails a connection on invalid UTF-8, and 1007 is the specific code for that.
#[tokio::test]
async fn reason_with_invalid_utf8_closes_with_1007() {
    let cases = [
        (
            "7.5.1",
            &b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xED\xA0\x80edited"[..],
        ),
        ("7.5.1, cut short", b"\xCE\xBA\xE1\xBD"),
        ("7.5.1, overlong", b"\xC0\xAF"),
    ]
    .map(|(numbers, reason)| {
        let frames = vec![close(&close_payload(1000, reason)), ping(b"")];
        (numbers, frames, vec![Reply::Close(1007)])
    });
    Server::start().await.try_all(&cases).await;
}
