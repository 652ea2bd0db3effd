//! What django-channels does where rest-live has a log: a PUBLISH for each event, and on every node a subscriber that sends
//! what it hears to its sockets. Nothing is kept, and nobody knows what was missed.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use redis::{Client, aio::MultiplexedConnection};
use tokio::{net::TcpListener, sync::broadcast, task::JoinSet};
use warp::{
    Filter,
    ws::{Message, WebSocket, Ws},
};

use super::{
    follower::{Board, follow},
    model,
};

/// As many messages wait for the slowest socket as by default in rest-live.
const QUEUE: usize = 1024;

pub struct Channel {
    name: String,
    connection: MultiplexedConnection,
    tasks: JoinSet<()>,
    following: Vec<tokio::task::JoinHandle<()>>,
}

impl Channel {
    /// Starts so many nodes, each with a client.
    pub async fn start(url: &str, name: &str, nodes: usize, board: &Arc<Board>) -> Self {
        let client = Client::open(url).unwrap();
        let mut channel = Self {
            name: name.to_owned(),
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            tasks: JoinSet::new(),
            following: Vec::new(),
        };
        for _ in 0..nodes {
            let mut heard = client.get_async_pubsub().await.unwrap();
            heard.subscribe(name).await.unwrap();
            let sockets = broadcast::Sender::new(QUEUE);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let to_sockets = sockets.clone();
            let route = warp::path!("ws" / "subscribe").and(warp::ws());
            let route = route.map(move |upgrade: Ws| {
                let heard = to_sockets.subscribe();
                upgrade.on_upgrade(move |socket| serve(socket, heard))
            });
            channel
                .tasks
                .spawn(warp::serve(route).incoming(listener).run());
            channel.tasks.spawn(async move {
                let mut heard = heard.into_on_message();
                while let Some(message) = heard.next().await {
                    let text: String = message.get_payload().unwrap();
                    _ = sockets.send(text);
                }
            });
            channel
                .following
                .push(follow(address, 1, Arc::clone(board)).await);
        }
        channel
    }

    /// Publishes a frame like rest-live's of a row.
    pub async fn publish(&self, row: usize) {
        let text = format!(
            r#"{}1}},"action":"CREATED","payload":{{"id":{row},"text":"a text of ordinary length, such as somebody writes","done":false}},"cursor":"k3f9k3f9k3f9k.1000"}}"#,
            model::BROADCAST
        );
        let mut connection = self.connection.clone();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.name).arg(text);
        let _: u64 = publish.query_async(&mut connection).await.unwrap();
    }

    pub fn end(self) {
        self.following.iter().for_each(|task| task.abort());
    }
}

async fn serve(mut socket: WebSocket, mut heard: broadcast::Receiver<String>) {
    // Its request; all are for the same list.
    _ = socket.next().await;
    let answer = format!("{}1}}", model::SUBSCRIBED);
    _ = socket.send(Message::text(answer)).await;
    while let Ok(text) = heard.recv().await {
        if socket.send(Message::text(text)).await.is_err() {
            break;
        }
    }
}
