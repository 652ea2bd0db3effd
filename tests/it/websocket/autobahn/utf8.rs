//! Texts of valid and of invalid UTF-8 (6.x).

mod sequences;

use self::sequences::{INVALID, VALID};
use super::{
    Server,
    frame::{CONTINUATION, FIN, TEXT, fragments, frame, ping, text},
    raw_client::{Delivery, Reply},
};

/// Returns a message with these bytes in a string, and their range in the message.
fn message(bytes: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    const BEGIN: &[u8] = br#"{"type":"nonsense","id":""#;
    let whole = [BEGIN, bytes, br#""}"#].concat();
    (whole, BEGIN.len()..BEGIN.len() + bytes.len())
}

#[tokio::test]
async fn utf8_survives_any_fragmentation() {
    let mut server = Server::start().await;
    for (numbers, valid) in VALID {
        let (whole, at) = message(valid.as_bytes());
        let mut messages = vec![vec![text(&whole)]];
        // 6.2.3: octets.
        messages.push(fragments(whole.chunks(1)));
        for cut in at.start..=at.end {
            let (before, after) = whole.split_at(cut);
            messages.push(fragments([before, after]));
            messages.push(fragments([before, b"", after]));
        }
        let frames = messages.concat();
        let replies = vec![Reply::Echo((*valid).to_owned()); messages.len()];
        for delivery in Delivery::ALL {
            let case = (*numbers, frames.clone(), replies.clone());
            server.try_case(&case, delivery).await;
        }
    }
}

/// A control frame may arrive in the middle of a character.
#[tokio::test]
async fn ping_within_a_character_is_answered() {
    let character = "\u{24B62}";
    let (whole, at) = message(character.as_bytes());
    let cases = (at.start..at.end).map(|cut| {
        let (before, after) = whole.split_at(cut);
        let mut frames = fragments([before, after]);
        frames.insert(1, ping(character.as_bytes()));
        let replies = vec![
            Reply::Pong(character.into()),
            Reply::Echo(character.to_owned()),
        ];
        ("6.5.4 with 5.6", frames, replies)
    });
    let cases: Vec<_> = cases.collect();
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn messages_without_a_character_are_answered() {
    let answered = || vec![Reply::Answer];
    let cases = [
        ("6.1.1", vec![text(b"")], answered()),
        ("6.1.2", fragments(["", "", ""]), answered()),
        ("6.7.1", vec![text(b"\0")], answered()),
    ];
    Server::start().await.try_all(&cases).await;
}

#[tokio::test]
async fn invalid_utf8_closes_with_1007() {
    let mut server = Server::start().await;
    for (numbers, invalid) in INVALID {
        let (whole, at) = message(invalid);
        let mut messages = vec![
            vec![text(invalid)],
            fragments(invalid.chunks(1)),
            fragments([*invalid, b""]),
            vec![text(&whole)],
            fragments(whole.chunks(1)),
        ];
        // More cuts of the long sequences test nothing new.
        for cut in at.clone().skip(1).take(6) {
            let (before, after) = whole.split_at(cut);
            messages.push(fragments([before, after]));
        }
        for frames in messages {
            let mut client = server
                .connect(&format!("case {numbers}, {frames:x?}"))
                .await;
            client.send(&frames, Delivery::Whole).await;
            client.expect(&Reply::Close(1007)).await;
        }
        let case = (*numbers, vec![text(&whole)], vec![Reply::Close(1007)]);
        server.try_case(&case, Delivery::OCTETS).await;
    }
}

/// 6.4.1 and 6.4.2: the server closes before the end of the message.
#[tokio::test]
async fn invalid_utf8_fragment_closes_at_once() {
    let mut server = Server::start().await;
    for (numbers, first, second) in [
        (
            "6.4.1",
            &b"\xCE\xBA\xE1\xBD\xB9"[..],
            &b"\xF4\x90\x80\x80"[..],
        ),
        ("6.4.2", b"\xCE\xBA\xE1\xBD\xB9\xF4", b"\x90"),
        ("6.4.2, a surrogate", b"\xCE\xBA\xED", b"\xA0"),
        ("6.4.2, overlong", b"\xCE\xBA\xF0", b"\x8F"),
    ] {
        for delivery in Delivery::ALL {
            let mut client = server
                .connect(&format!("case {numbers}, {delivery:?}"))
                .await;
            client
                .send(&[frame(TEXT, first), ping(b"")], delivery)
                .await;
            client.expect(&Reply::Pong(vec![])).await;
            client.send(&[frame(CONTINUATION, second)], delivery).await;
            client.expect(&Reply::Close(1007)).await;
            server.finish(client).await;
        }
    }
}

/// 6.4.3 and 6.4.4: the server may detect it only at the end of the frame. Autobahn calls that
/// non-strict.
#[tokio::test]
async fn invalid_utf8_frame_closes_at_its_end() {
    let whole = frame(
        FIN | TEXT,
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited",
    );
    // The header has six bytes.
    let chunks = |cuts: [usize; 2]| {
        let (first, rest) = whole.split_at(6 + cuts[0]);
        let (second, third) = rest.split_at(cuts[1]);
        vec![first.to_vec(), second.to_vec(), third.to_vec()]
    };
    let closed = || vec![Reply::Close(1007)];
    let cases = [
        ("6.4.3", chunks([11, 4]), closed()),
        ("6.4.4", chunks([12, 1]), closed()),
    ];
    let mut server = Server::start().await;
    for case in &cases {
        server.try_case(case, Delivery::Frames).await;
    }
}
