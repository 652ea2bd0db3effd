//! Shutdown and drop: clients are notified, and no task remains.

use futures_util::{FutureExt, SinkExt, StreamExt};
use rest_live::Limits;
use tokio_tungstenite::{connect_async, tungstenite::Error};

use crate::support::{App, soon};

#[tokio::test]
async fn shutdown_sends_pending_frames_then_1001() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    app.insert_task(1, "before the end", 1).await;
    let read = async {
        assert_eq!(client.json().await["payload"]["text"], "before the end");
        assert_eq!(client.closed().await, (1001, "going away".to_owned()));
    };
    tokio::join!(read, soon("the shutdown", app.live.shutdown()));
    assert_eq!(app.live.connections(), 0);

    // Writes still work, and new clients are refused.
    app.insert_task(2, "after the end", 1).await;
    match connect_async(app.url()).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{other:?}"),
    }
    soon("a second shutdown", app.live.shutdown()).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_mute_clients() {
    let limits = Limits::default().drain_timeout(std::time::Duration::from_millis(100));
    let app = App::start_with(limits).await;
    let _mute = app.client().await; // never read, so its library never answers the close
    soon("the shutdown", app.live.shutdown()).await;
    assert_eq!(app.live.connections(), 0);
}

#[tokio::test]
async fn dropped_live_closes_its_connections() {
    let App { live, addr, .. } = &App::start().await;
    let (other, database) = crate::support::database().await;
    let other = rest_live::Live::builder(other).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let server = tokio::spawn(
        warp::serve(rest_live::warp::subscriptions(&other))
            .incoming(listener)
            .run(),
    );
    let (mut socket, _) = connect_async(format!("ws://{own}/")).await.unwrap();
    // Only this handle and the routes of the server are left.
    server.abort();
    _ = server.await;
    drop(other);
    let end = soon("the end of the connection", socket.next()).await;
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
    drop(database);
    // Connections of other instances stay open.
    assert!(
        connect_async(format!("ws://{addr}/ws/subscribe"))
            .await
            .is_ok()
    );
    assert!(!live.is_closed());
}

/// Its connections are idle, subscribed, stalled, not TCP, and not yet upgraded.
#[tokio::test]
async fn dropped_live_leaves_no_task() {
    let (db, _database) = crate::support::database().await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let live = rest_live::Live::builder(db).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    for requests in [
        &[][..],
        &[r#"{"model":"todolist.Task","list_id":1}"#],
        &["nonsense"; 3000],
    ] {
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await;
        let (accepted, _) = listener.accept().await.unwrap();
        live.accept((), async { Ok((accepted, Vec::new())) });
        let mut client = tokio_tungstenite::WebSocketStream::from_raw_socket(
            client.unwrap(),
            tokio_tungstenite::tungstenite::protocol::Role::Client,
            None,
        )
        .await;
        for request in requests {
            client.feed((*request).into()).await.unwrap();
        }
        client.flush().await.unwrap();
        clients.push(client);
    }
    // A stream that is not a TCP connection, and an upgrade that never completes.
    let (_here, there) = tokio::io::duplex(64);
    live.accept((), async { Ok((there, Vec::new())) });
    live.accept(
        (),
        std::future::pending::<std::io::Result<(tokio::io::DuplexStream, _)>>(),
    );
    assert_eq!(clients[1].next().now_or_never().map(|_| ()), None);
    assert!(tasks() > before + 5);
    drop(live);
    soon("the end of all tasks", async {
        while tasks() > before {
            tokio::time::sleep(crate::support::TICK).await;
        }
    })
    .await;
    for mut client in clients {
        let end = async { while let Some(Ok(_)) = client.next().await {} };
        soon("the end of a connection", end).await;
    }
}
