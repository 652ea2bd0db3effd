//! Messages as long as they may be, and longer ones (1.1.x, 9.x).

use rest_live::Limits;

use super::{
    Server,
    frame::{
        BINARY, CONTINUATION, FIN, Length, PING, TEXT, fragments, frame, frame_with, header, text,
    },
    peer::{Delivery, Reply},
};

/// As long as a message may be.
const MOST: usize = 64 * 1024;

/// What is in no way a request, however long.
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
        ("1.1.7, 1.1.8, 9.1.1", MOST),
    ] {
        for delivery in [Delivery::Whole, Delivery::Chops(997)] {
            let case = (numbers, vec![text(&nonsense(length))], vec![Reply::Answer]);
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn fragments_up_to_the_limit_are_answered() {
    let mut server = Server::start().await;
    let whole = nonsense(MOST);
    for (numbers, size) in [
        ("9.3.1", 64),
        ("9.3.2", 256),
        ("9.3.3", 1024),
        ("9.3.4, 10.1.1", 1300),
        ("9.3.5", 16 * 1024),
    ] {
        let case = (numbers, fragments(whole.chunks(size)), vec![Reply::Answer]);
        for delivery in [Delivery::Whole, Delivery::Frames, Delivery::Chops(997)] {
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn one_byte_more_closes_with_1009() {
    let closed = || vec![Reply::Close(1009)];
    let whole = nonsense(MOST + 1);
    let (most, last) = whole.split_at(MOST);
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
        for delivery in [Delivery::Whole, Delivery::Frames, Delivery::Chops(997)] {
            server.try_case(case, delivery).await;
        }
    }
}

/// A header is enough to know: the payload is not waited for.
async fn assert_too_big(server: &mut Server, length: Length, announced: u64) {
    let header = |first| header(first, length, announced);
    for frames in [
        vec![header(FIN | TEXT)],
        vec![header(TEXT)],
        vec![header(FIN | BINARY)],
        vec![frame(TEXT, b"begun"), header(CONTINUATION)],
        vec![frame(TEXT, b"begun"), header(FIN | CONTINUATION)],
    ] {
        let numbers = "9.1.1, of which the header has come";
        let case = (numbers, frames, vec![Reply::Close(1009)]);
        for delivery in [Delivery::Whole, Delivery::OCTETS] {
            server.try_case(&case, delivery).await;
        }
    }
}

#[tokio::test]
async fn a_header_that_announces_too_much_closes_with_1009_at_once() {
    let mut server = Server::start().await;
    for announced in [
        MOST as u64 + 1,
        1 << 32,
        1 << 62,
        1 << 63,
        (1 << 63) + 5,
        u64::MAX,
    ] {
        assert_too_big(&mut server, Length::Bits64, announced).await;
    }
}

/// The usual limit is over what seven or sixteen bits can announce.
#[tokio::test]
async fn a_lower_limit_holds_for_every_way_to_write_a_length() {
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

/// RFC 6455, section 5.2, has a client write a length in the shortest way, and no word on a server that finds another.
/// tungstenite reads them all. What must not be is that the frames get out of step.
#[tokio::test]
async fn a_length_that_is_written_too_long_breaks_nothing() {
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
            for delivery in [Delivery::Whole, Delivery::Chops(997)] {
                let what = format!("{length:?} for {} bytes, {first:#x}", payload.len());
                let mut peer = server.peer(&what).await;
                let frames = [frame_with(first, length, payload), text(b"behind it")];
                peer.send(&frames, delivery).await;
                match peer.is_closing().await {
                    true => peer.expect(&Reply::Close(1002)).await,
                    false => peer.expect_all(&[reply.clone(), Reply::Answer]).await,
                }
                server.finish(peer).await;
            }
        }
    }
}
