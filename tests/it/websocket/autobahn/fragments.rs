//! Messages in several frames (5.x).

use super::{
    Case, Server,
    frame::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, fragments, frame, ping, text},
    raw_client::{Delivery, Reply},
};

/// A message whose answer proves that all of it has arrived.
const MESSAGE: &str = r#"{"type":"nonsense","id":"all of it"}"#;

fn echo() -> Reply {
    Reply::Echo("all of it".to_owned())
}

/// Returns the message in fragments of `size` bytes.
fn pieces(size: usize) -> Vec<Vec<u8>> {
    fragments(MESSAGE.as_bytes().chunks(size))
}

fn valid_cases() -> Vec<Case> {
    let (first, second) = MESSAGE.split_at(MESSAGE.len() / 2);
    let between = |frame: Vec<u8>| {
        let [first, second] = &fragments([first, second])[..] else {
            unreachable!("two parts are two frames")
        };
        vec![first.clone(), frame, second.clone()]
    };
    let hello = || Reply::Pong(b"hello".to_vec());
    vec![
        ("5.3-5.5", pieces(MESSAGE.len() / 2), vec![echo()]),
        ("5.3-5.5 in 5 fragments", pieces(8), vec![echo()]),
        ("5.3-5.5 in octets", pieces(1), vec![echo()]),
        (
            "6.1.3, the first is empty",
            fragments(["", MESSAGE]),
            vec![echo()],
        ),
        (
            "6.1.3, one in the middle is empty",
            fragments([first, "", second]),
            vec![echo()],
        ),
        (
            "6.1.3, the last is empty",
            fragments([MESSAGE, ""]),
            vec![echo()],
        ),
        (
            "6.1.3, all are empty but one",
            fragments(["", "", MESSAGE, "", ""]),
            vec![echo()],
        ),
        ("5.6-5.8", between(ping(b"hello")), vec![hello(), echo()]),
        (
            "5.6-5.8, without a payload",
            between(ping(b"")),
            vec![Reply::Pong(vec![]), echo()],
        ),
        (
            "5.6-5.8, three at once",
            between(ping(b"hello").repeat(3)),
            vec![hello(), hello(), hello(), echo()],
        ),
        (
            "5.3 twice",
            [pieces(9), pieces(4)].concat(),
            vec![echo(), echo()],
        ),
    ]
}

#[tokio::test]
async fn fragments_are_one_message() {
    Server::start().await.try_all(&valid_cases()).await;
}

/// The server reads and writes in two tasks. Here they run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_are_one_message_on_several_threads() {
    Server::start().await.try_all(&valid_cases()).await;
}

/// 5.19 and 5.20: the pong must not wait for the end of the message.
#[tokio::test]
async fn ping_within_a_message_is_answered_at_once() {
    let mut server = Server::start().await;
    let frames = pieces(MESSAGE.len().div_ceil(5));
    assert_eq!(frames.len(), 5);
    for delivery in Delivery::ALL {
        let mut client = server.connect(&format!("case 5.19, {delivery:?}")).await;
        let begin = [&frames[..2], &[ping(b"pongme 1!")]].concat();
        client.send(&begin, delivery).await;
        client.expect(&Reply::Pong(b"pongme 1!".to_vec())).await;
        let end = [&frames[2..4], &[ping(b"pongme 2!")], &frames[4..]].concat();
        client.send(&end, delivery).await;
        client.expect(&Reply::Pong(b"pongme 2!".to_vec())).await;
        client.expect(&echo()).await;
        server.finish(client).await;
    }
}

#[tokio::test]
async fn fragments_in_a_wrong_order_close_with_1002() {
    let continued = |fin| frame(fin | CONTINUATION, b"non-continuation payload");
    let whole = || text(MESSAGE.as_bytes());
    let begun = |opcode| frame(opcode, b"fragment1");
    let closed = || vec![Reply::Close(1002)];
    let repeated = |first: Vec<u8>| {
        let frames = [vec![first], pieces(20)].concat();
        [frames.clone(), frames].concat()
    };
    let cases = [
        ("5.1", vec![begun(PING), continued(FIN)], closed()),
        ("5.2", vec![begun(PONG), continued(FIN)], closed()),
        (
            "5.1 within a message",
            vec![begun(TEXT), begun(PING), continued(FIN)],
            closed(),
        ),
        ("5.9-5.11", vec![continued(FIN), whole()], closed()),
        ("5.12-5.14", vec![continued(0), whole()], closed()),
        (
            "5.15",
            [pieces(20), vec![continued(0), whole()]].concat(),
            vec![Reply::Answer, Reply::Close(1002)],
        ),
        ("5.16", repeated(continued(0)), closed()),
        ("5.17", repeated(continued(FIN)), closed()),
        ("5.18", vec![begun(TEXT), whole()], closed()),
        (
            "5.18, with a continuation",
            vec![begun(TEXT), begun(TEXT), continued(FIN)],
            closed(),
        ),
        (
            "5.18 with a binary message",
            vec![begun(TEXT), frame(FIN | BINARY, b"x")],
            closed(),
        ),
    ];
    Server::start().await.try_all(&cases).await;
}
