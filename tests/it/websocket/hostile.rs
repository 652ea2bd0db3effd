//! Broken and malicious clients get an error frame or the right close code, and the server
//! continues to serve the others.

use futures_util::SinkExt;
use rest_live::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{App, Client, TICK, raw, raw_on, soon};

/// Asserts that the server still serves clients.
async fn assert_alive(app: &App) {
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","pk":1}"#)
        .await;
    app.assert_silent(&mut client).await;
}

/// Reads to the end and returns the code of the close frame.
async fn close_code(mut stream: TcpStream) -> u16 {
    let mut bytes = Vec::new();
    soon("the end of the stream", stream.read_to_end(&mut bytes))
        .await
        .unwrap();
    assert_eq!(bytes.first(), Some(&0x88), "a close frame, not {bytes:?}");
    u16::from_be_bytes([bytes[2], bytes[3]])
}

/// Returns a client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn binary_frame_closes_with_1003() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .socket
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    assert_eq!(client.closed().await.0, 1003);
    assert_alive(&app).await;
}

#[tokio::test]
async fn message_over_the_limit_closes_with_1009() {
    let app = App::start().await;
    for bytes in [64 * 1024 + 1, 1024 * 1024] {
        let mut client = app.client().await;
        client.send(&"x".repeat(bytes)).await;
        assert_eq!(client.closed().await.0, 1009, "{bytes} bytes");
    }
    let mut client = app.client().await;
    client.send(&"x".repeat(64 * 1024)).await;
    client.expect_error(400, "malformed_json", false).await;
    assert_alive(&app).await;
}

#[tokio::test]
async fn fragments_count_towards_one_message() {
    let app = App::start().await;
    let mut stream = raw(&app).await;
    let fragment = frame(0x00, &[b'x'; 125]);
    stream.write_all(&frame(0x01, &[b'x'; 125])).await.unwrap();
    for _ in 0..64 * 1024 / 125 {
        stream.write_all(&fragment).await.unwrap();
    }
    assert_eq!(close_code(stream).await, 1009);
    assert_alive(&app).await;
}

#[tokio::test]
async fn broken_protocol_closes_with_1002_or_1007() {
    let app = App::start().await;
    for (what, bytes, code) in [
        ("an unmasked frame", vec![0x81, 0x01, b'x'], 1002),
        ("a reserved bit", frame(0xC1, b"x"), 1002),
        ("an unknown opcode", frame(0x83, b"x"), 1002),
        ("a fragmented ping", frame(0x09, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("text that is not UTF-8", frame(0x81, &[0xFF, 0xFE]), 1007),
    ] {
        let mut stream = raw(&app).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(stream).await, code, "{what}");
    }
    assert_alive(&app).await;
}

#[tokio::test]
async fn message_with_the_handshake_is_not_lost() {
    let app = App::start().await;
    let mut stream = TcpStream::connect(app.addr).await.unwrap();
    let mut bytes = format!(
        "GET /ws/subscribe/ HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        app.addr
    )
    .into_bytes();
    bytes.extend(frame(0x81, br#"{"model":"a.B","pk":1}"#));
    stream.write_all(&bytes).await.unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("unknown_model") {
        assert_ne!(
            soon("the answer", stream.read_buf(&mut received))
                .await
                .unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&received)
        );
    }
}

#[tokio::test]
async fn pings_between_fragments_are_answered() {
    let app = App::start().await;
    let mut stream = raw(&app).await;
    stream
        .write_all(&frame(0x01, br#"{"model":"#))
        .await
        .unwrap();
    stream.write_all(&frame(0x89, b"hello")).await.unwrap();
    let mut pong = [0; 7];
    soon("the pong", stream.read_exact(&mut pong))
        .await
        .unwrap();
    assert_eq!(&pong, b"\x8A\x05hello");
    stream
        .write_all(&frame(0x80, br#""a.B","pk":1}"#))
        .await
        .unwrap();
    let mut header = [0; 2];
    soon("the answer", stream.read_exact(&mut header))
        .await
        .unwrap();
    assert_eq!(header[0], 0x81, "a text frame");
}

/// The server must stop reading from the client, or drop it. Pongs must not pile up in the server.
#[tokio::test]
async fn ping_flood_without_reads_is_throttled() {
    let limits = Limits::default().stall_timeout(std::time::Duration::from_secs(1));
    let app = App::start_with(limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = raw_on(&app, socket.connect(app.addr).await.unwrap()).await;
    let pings = frame(0x89, &[b'x'; 125]).repeat(1000);
    // If the server stops reading, the buffers of the kernels are full long before 64 MB. One
    // second later it drops the connection, and the write fails.
    let mut sent = 0;
    let end = async {
        while stream.write_all(&pings).await.is_ok() {
            sent += pings.len();
            assert!(
                sent < 64 * 1024 * 1024,
                "the server took {sent} bytes of pings"
            );
        }
    };
    soon("the end of the connection", end).await;
    assert_alive(&app).await;
}

#[tokio::test]
async fn close_code_is_echoed() {
    let app = App::start().await;
    let mut stream = raw(&app).await;
    stream.write_all(&frame(0x88, &[0x03, 0xE8])).await.unwrap();
    assert_eq!(close_code(stream).await, 1000);
}

#[tokio::test]
async fn close_is_answered_after_pending_frames() {
    let app = App::start().await;
    for round in 0..100 {
        let mut stream = raw(&app).await;
        let bytes = [frame(0x81, b"nonsense"), frame(0x88, &[0x03, 0xE8])].concat();
        stream.write_all(&bytes).await.unwrap();
        let mut received = Vec::new();
        soon("the end of the stream", stream.read_to_end(&mut received))
            .await
            .unwrap();
        assert!(
            received.ends_with(&[0x88, 0x02, 0x03, 0xE8]),
            "round {round}: {received:?}"
        );
    }
}

/// The server must not cut off a client that is still sending: the reset of the TCP connection
/// could overtake the close frame.
#[tokio::test]
async fn data_after_the_close_frame_is_drained() {
    let app = App::start().await;
    let mut stream = raw(&app).await;
    let mut header = vec![0x81, 0x80 | 127];
    header.extend((1024 * 1024_u64).to_be_bytes());
    header.extend([0; 4]);
    stream.write_all(&header).await.unwrap();
    let mut close = [0; 4];
    soon("the close frame", stream.read_exact(&mut close))
        .await
        .unwrap();
    assert_eq!(
        (close[0], u16::from_be_bytes([close[2], close[3]])),
        (0x88, 1009)
    );
    for _ in 0..64 {
        soon(
            "the rest of the message",
            stream.write_all(&[b'x'; 16 * 1024]),
        )
        .await
        .unwrap();
    }
    let mut rest = Vec::new();
    soon("the end of the stream", stream.read_to_end(&mut rest))
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
}

#[tokio::test]
async fn malformed_and_nested_json_is_an_error() {
    let app = App::start().await;
    let mut client = app.client().await;
    let nested = format!(r#"{{"model":"todolist.Task","pk":{}"#, "[".repeat(60_000));
    for text in [
        "",
        " ",
        "{",
        "\u{0}",
        "{\"model\":\"todolist.Task\",\"pk\":1",
        "nul",
        nested.as_str(),
        "{\"model\":\"\\ud800\",\"pk\":1}",
    ] {
        client.send(text).await;
        client.expect_error(400, "malformed_json", false).await;
    }
    // Names in error messages are quoted and truncated.
    client
        .send(&format!(
            r#"{{"model":{},"pk":1}}"#,
            serde_json::to_string(&"é\u{202e}<script>".repeat(2000)).unwrap()
        ))
        .await;
    let error = client.text().await;
    assert!(error.len() < 1024, "{error}");
    assert!(error.contains("unknown_model"), "{error}");
    assert_alive(&app).await;
}

#[tokio::test]
async fn subscription_129_is_refused() {
    let app = App::start().await;
    let mut client = app.client().await;
    for pk in 0..128 {
        client
            .send(&format!(r#"{{"model":"todolist.Task","pk":{pk}}}"#))
            .await;
    }
    // A repeated subscription does not count.
    client.send(r#"{"model":"todolist.Task","pk":5}"#).await;
    client.send(r#"{"model":"todolist.Task","pk":128}"#).await;
    client
        .expect_error(429, "too_many_subscriptions", true)
        .await;
    client
        .send(r#"{"model":"todolist.Task","pk":0,"unsubscribe":true}"#)
        .await;
    client
        .subscribe(r#"{"model":"todolist.Task","pk":128}"#)
        .await;
    for id in [127, 128] {
        app.insert_task(id, "within", 1).await;
        assert_eq!(client.json().await["payload"]["id"], id);
    }
}

#[tokio::test]
async fn vanished_clients_leave_no_connection() {
    let app = App::start().await;
    for _ in 0..50 {
        let mut client = app.client().await;
        client
            .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
            .await;
        drop(client); // without a close frame
    }
    let mut remaining: Client = app.client().await;
    remaining
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    app.insert_task(1, "for the remaining client", 1).await;
    assert_eq!(remaining.json().await["payload"]["id"], 1);
    drop(remaining);
    soon("the end of all connections", async {
        while app.live.connections() > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}

/// An upgrade of warp is never slow, but that of a custom transport may be.
#[tokio::test]
async fn slow_upgrade_is_aborted() {
    let limits = Limits::default().handshake_timeout(std::time::Duration::from_millis(50));
    let app = App::start_with(limits).await;
    app.live.accept(
        (),
        std::future::pending::<std::io::Result<(TcpStream, Vec<u8>)>>(),
    );
    assert_eq!(app.live.connections(), 1);
    soon("the end of the connection", async {
        while app.live.connections() > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}
