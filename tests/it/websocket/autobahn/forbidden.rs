//! Frames that clients must not send: reserved bits (3.x), reserved opcodes (4.x), unmasked and
//! binary ones.

use super::{
    Case, Server,
    frame::{BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, frame, ping, text, unmasked},
    raw_client::{Delivery, Reply},
};

const HELLO: &[u8] = b"Hello, world!";

/// Cases with an invalid first frame.
fn invalid_first_frame() -> Vec<Case> {
    let close_code = 1000_u16.to_be_bytes();
    let wrong = |numbers, first, payload: &[u8]| {
        let frames = vec![frame(first, payload)];
        (numbers, frames, vec![Reply::Close(1002)])
    };
    vec![
        wrong("3.1", 0x10 | FIN | TEXT, HELLO),
        wrong("3.5", 0x50 | FIN | BINARY, b"\x00\xFF\xFE\xFD"),
        wrong("3.6", 0x60 | FIN | PING, HELLO),
        wrong("3.7", 0x70 | FIN | CLOSE, b""),
        wrong("3.7, with a code", 0x40 | FIN | CLOSE, &close_code),
        wrong("3.1, begins a message", 0x40 | TEXT, HELLO),
        wrong("4.1.1", FIN | 3, b""),
        wrong("4.1.2", FIN | 4, b"reserved opcode payload"),
        wrong("4.1.1, begins a message", 3, b""),
        wrong("4.2.1", FIN | 11, b""),
        wrong("4.2.2", FIN | 12, b"reserved opcode payload"),
    ]
}

/// Cases with an invalid frame after a valid message: its first byte and its payload.
const INVALID_SECOND_FRAME: [(&str, u8, &[u8]); 9] = [
    ("3.2", 0x20 | FIN | TEXT, HELLO),
    ("3.3", 0x30 | FIN | TEXT, HELLO),
    ("3.4", 0x40 | FIN | TEXT, HELLO),
    ("4.1.3", FIN | 5, b""),
    ("4.1.4", FIN | 6, HELLO),
    ("4.1.5", FIN | 7, HELLO),
    ("4.2.3", FIN | 13, b""),
    ("4.2.4", FIN | 14, HELLO),
    ("4.2.5", FIN | 15, HELLO),
];

#[tokio::test]
async fn reserved_bits_and_opcodes_close_with_1002() {
    Server::start().await.try_all(&invalid_first_frame()).await;
}

/// The ping after the invalid frame is never answered. Autobahn allows an answer to the message
/// before.
#[tokio::test]
async fn nothing_after_an_invalid_frame_is_answered() {
    let cases = INVALID_SECOND_FRAME.map(|(numbers, first, payload)| {
        let frames = vec![text(HELLO), frame(first, payload), ping(b"")];
        let replies = vec![Reply::Answer, Reply::Close(1002)];
        (numbers, frames, replies)
    });
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn invalid_frame_after_an_answer_closes() {
    let mut server = Server::start().await;
    for (numbers, first, payload) in INVALID_SECOND_FRAME {
        for delivery in Delivery::ALL {
            let mut client = server
                .connect(&format!("case {numbers}, {delivery:?}"))
                .await;
            client.send(&[text(HELLO)], delivery).await;
            client.expect(&Reply::Answer).await;
            let frames = [frame(first, payload), ping(b"")];
            client.send(&frames, delivery).await;
            client.expect(&Reply::Close(1002)).await;
            server.finish(client).await;
        }
    }
}

/// RFC 6455, section 5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in
/// response, unless it already received a Close frame."
#[tokio::test]
async fn ping_before_an_invalid_frame_is_answered() {
    let cases = [
        ("3.2 after a ping", frame(0x20 | FIN | TEXT, HELLO), 1002),
        ("4.1.3 after a ping", frame(FIN | 5, b""), 1002),
        ("1.2.2 after a ping", frame(FIN | BINARY, HELLO), 1003),
        ("6.3.1 after a ping", text(b"\xED\xA0\x80"), 1007),
    ]
    .map(|(numbers, wrong, code)| {
        let replies = vec![Reply::Pong(b"before".to_vec()), Reply::Close(code)];
        (numbers, vec![ping(b"before"), wrong], replies)
    });
    Server::start().await.try_all(&cases).await;
}

/// Not a case of Autobahn, whose client masks every frame. See RFC 6455, section 5.1.
#[tokio::test]
async fn unmasked_frames_close_with_1002() {
    let close_code = 1000_u16.to_be_bytes();
    let wrong = |numbers, first, payload: &[u8]| {
        let frames = vec![unmasked(first, payload), ping(b"")];
        (numbers, frames, vec![Reply::Close(1002)])
    };
    let cases = [
        wrong("of an unmasked text", FIN | TEXT, HELLO),
        wrong("of an empty unmasked text", FIN | TEXT, b""),
        wrong("of an unmasked fragment", TEXT, HELLO),
        wrong("of an unmasked ping", FIN | PING, HELLO),
        wrong("of an unmasked close", FIN | CLOSE, &close_code),
        (
            "of an unmasked end of a message",
            vec![frame(TEXT, HELLO), unmasked(FIN | CONTINUATION, HELLO)],
            vec![Reply::Close(1002)],
        ),
    ];
    Server::start().await.try_all(&cases).await;
}

/// Autobahn expects an echo. This protocol is text, and RFC 6455, section 7.4.1, has 1003 for that.
#[tokio::test]
async fn binary_messages_close_with_1003() {
    let closed = || vec![Reply::Close(1003)];
    let cases = [
        ("1.2.1", vec![frame(FIN | BINARY, b"")], closed()),
        ("1.2.2", vec![frame(FIN | BINARY, &[0xFE; 125])], closed()),
        ("1.2.3", vec![frame(FIN | BINARY, &[0xFE; 126])], closed()),
        (
            "1.2.2, JSON",
            vec![frame(FIN | BINARY, br#"{"model":"todolist.Task","pk":1}"#)],
            closed(),
        ),
        (
            "9.4.1, in two fragments",
            vec![
                frame(BINARY, &[0xFE; 125]),
                frame(FIN | CONTINUATION, &[0xFE; 125]),
            ],
            closed(),
        ),
    ];
    Server::start().await.try_all(&cases).await;
}
