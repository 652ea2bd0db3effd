//! A client that reads and writes raw bytes, without a websocket library.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{App, soon};

/// Connects and makes a valid handshake. The test then writes raw bytes.
pub async fn raw(app: &App) -> TcpStream {
    raw_on(app, TcpStream::connect(app.addr).await.unwrap()).await
}

/// Makes a valid handshake on a stream that is already connected.
pub async fn raw_on(app: &App, mut stream: TcpStream) -> TcpStream {
    let head = handshake(app, &mut stream, &[]).await;
    // The example of RFC 6455, section 1.3.
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    stream
}

/// Offers subprotocols, each in a header of its own, and returns the response's head in lower case.
pub async fn raw_offering(app: &App, offers: &[&str]) -> String {
    let mut stream = TcpStream::connect(app.addr).await.unwrap();
    handshake(app, &mut stream, offers).await
}

async fn handshake(app: &App, stream: &mut TcpStream, offers: &[&str]) -> String {
    let mut request = format!(
        "GET /ws/subscribe HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        app.addr
    );
    for offer in offers {
        request += &format!("Sec-WebSocket-Protocol: {offer}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the response's head", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    head
}
