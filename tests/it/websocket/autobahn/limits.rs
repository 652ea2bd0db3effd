//! Messages of the maximum size, and longer ones (1.1.x, 9.x).

use rest_live::Limits;

use super::{
    Server,
    frame::{
        BINARY, CONTINUATION, FIN, Length, PING, TEXT, fragments, frame, frame_with, header, text,
    },
    raw_client::{Delivery, Reply},
};

/// Maximum size of a message.
const MAX_BYTES: usize = 64 * 1024;

/// Returns a text that is not a request, whatever its length.
fn nonsense(length: usize) -> Vec<u8> {
    b"BAsd7&jh23".iter().copied().cycle().take(length).collect()
}

#[tokio::test]
async fn messages_up_to_the_limit_are_answered() {
    let mut server = Server::start().await;
    for (numbers, length) in [
        ("1.1.1", 0),
        ("1.1.2", 125),
        ("1.1.3", 126),
        ("1.1.4", 127),
        ("1.1.5", 128),
        ("1.1.6", 65535),
        ("1.1.7, 1.1.8, 9.1.1", MAX_BYTES),
    ] {
        for delivery in [Delivery::Whole, Delivery::Chunks(997)] {
            let case = (numbers, vec![text(&nonsense(length))], vec![Reply::Answer]);
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn fragments_up_to_the_limit_are_answered() {
    let mut server = Server::start().await;
    let whole = nonsense(MAX_BYTES);
    for (numbers, size) in [
        ("9.3.1", 64),
        ("9.3.2", 256),
        ("9.3.3", 1024),
        ("9.3.4, 10.1.1", 1300),
        ("9.3.5", 16 * 1024),
    ] {
        let case = (numbers, fragments(whole.chunks(size)), vec![Reply::Answer]);
        for delivery in [Delivery::Whole, Delivery::Frames, Delivery::Chunks(997)] {
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn one_byte_more_closes_with_1009() {
    let closed = || vec![Reply::Close(1009)];
    let whole = nonsense(MAX_BYTES + 1);
    let (most, last) = whole.split_at(MAX_BYTES);
    let begin = || frame(TEXT, most);
    let cases = [
        ("9.1.1", vec![text(&whole)], closed()),
        ("9.2.1", vec![frame(FIN | BINARY, &whole)], closed()),
        ("9.3.1", fragments(whole.chunks(64)), closed()),
        ("9.3.1, in two", fragments([most, last]), closed()),
        (
            "9.3.1, which does not end there",
            vec![begin(), frame(CONTINUATION, last)],
            closed(),
        ),
    ];
    let mut server = Server::start().await;
    for case in &cases {
        for delivery in [Delivery::Whole, Delivery::Frames, Delivery::Chunks(997)] {
            server.try_case(case, delivery).await;
        }
    }
}

/// The server closes after the header, without waiting for the payload.
async fn assert_too_big(server: &mut Server, length: Length, announced: u64) {
    let header = |first| header(first, length, announced);
    for frames in [
        vec![header(FIN | TEXT)],
        vec![header(TEXT)],
        vec![header(FIN | BINARY)],
        vec![frame(TEXT, b"begun"), header(CONTINUATION)],
        vec![frame(TEXT, b"begun"), header(FIN | CONTINUATION)],
    ] {
        let numbers = "9.1.1, only the header";
        let case = (numbers, frames, vec![Reply::Close(1009)]);
        for delivery in [Delivery::Whole, Delivery::OCTETS] {
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn oversized_header_closes_with_1009_at_once() {
    let mut server = Server::start().await;
    for announced in [
        MAX_BYTES as u64 + 1,
        1 << 32,
        1 << 62,
        1 << 63,
        (1 << 63) + 5,
        u64::MAX,
    ] {
        assert_too_big(&mut server, Length::Bits64, announced).await;
    }
}

/// The default limit is above what seven or sixteen bits can announce.
#[tokio::test]
async fn lower_limit_holds_for_every_length_encoding() {
    let limits = Limits::default().max_message_bytes(100);
    let mut server = Server::start_with(limits).await;
    for (length, announced) in [
        (Length::Bits7, 101),
        (Length::Bits7, 125),
        (Length::Bits16, 126),
        (Length::Bits16, 65535),
        (Length::Bits64, 65536),
        (Length::Bits64, 1 << 63),
    ] {
        assert_too_big(&mut server, length, announced).await;
    }
}

/// RFC 6455, section 5.2, requires the shortest encoding of a length, but does not define how a
/// server reacts to another one. tungstenite reads all of them. The server must not lose the frame
/// boundaries.
#[tokio::test]
async fn overlong_length_keeps_frame_boundaries() {
    let mut server = Server::start().await;
    for (length, payload) in [
        (Length::Bits16, &nonsense(0)),
        (Length::Bits16, &nonsense(5)),
        (Length::Bits16, &nonsense(125)),
        (Length::Bits64, &nonsense(0)),
        (Length::Bits64, &nonsense(5)),
        (Length::Bits64, &nonsense(126)),
        (Length::Bits64, &nonsense(65535)),
    ] {
        let mut opcodes = vec![(FIN | TEXT, Reply::Answer)];
        if payload.len() < 126 {
            opcodes.push((FIN | PING, Reply::Pong(payload.clone())));
        }
        for (first, reply) in opcodes {
            for delivery in [Delivery::Whole, Delivery::Chunks(997)] {
                let what = format!("{length:?} for {} bytes, {first:#x}", payload.len());
                let mut client = server.connect(&what).await;
                let frames = [frame_with(first, length, payload), text(b"after it")];
                client.send(&frames, delivery).await;
                if client.is_closing().await {
                    client.expect(&Reply::Close(1002)).await;
                } else {
                    client.expect_all(&[reply.clone(), Reply::Answer]).await;
                }
                server.finish(client).await;
            }
        }
    }
}
