//! What django-channels does instead of an event log: a PUBLISH for each event, and on every node a
//! subscriber that sends the messages to its sockets. Nothing is stored, so a client cannot know
//! what it missed.

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

/// Maximum number of pending messages for the slowest socket, as by default in rest-live.
const QUEUE: usize = 1024;

pub struct Channel {
    name: String,
    connection: MultiplexedConnection,
    tasks: JoinSet<()>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Channel {
    /// Starts this number of nodes, each with a client.
    pub async fn start(url: &str, name: &str, nodes: usize, board: &Arc<Board>) -> Self {
        let client = Client::open(url).unwrap();
        let mut channel = Self {
            name: name.to_owned(),
            connection: client.get_multiplexed_async_connection().await.unwrap(),
            tasks: JoinSet::new(),
            clients: Vec::new(),
        };
        for _ in 0..nodes {
            let mut messages = client.get_async_pubsub().await.unwrap();
            messages.subscribe(name).await.unwrap();
            let sockets = broadcast::Sender::new(QUEUE);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let to_sockets = sockets.clone();
            let route = warp::path!("ws" / "subscribe").and(warp::ws());
            let route = route.map(move |upgrade: Ws| {
                let messages = to_sockets.subscribe();
                upgrade.on_upgrade(move |socket| serve(socket, messages))
            });
            channel
                .tasks
                .spawn(warp::serve(route).incoming(listener).run());
            channel.tasks.spawn(async move {
                let mut messages = messages.into_on_message();
                while let Some(message) = messages.next().await {
                    let text: String = message.get_payload().unwrap();
                    _ = sockets.send(text);
                }
            });
            channel
                .clients
                .push(follow(address, 1, Arc::clone(board)).await);
        }
        channel
    }

    /// Publishes a frame of a row like that of rest-live.
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
        self.clients.iter().for_each(|task| task.abort());
    }
}

async fn serve(mut socket: WebSocket, mut messages: broadcast::Receiver<String>) {
    // The request of the client. All requests are for the same list.
    _ = socket.next().await;
    let answer = format!("{}1}}", model::SUBSCRIBED);
    _ = socket.send(Message::text(answer)).await;
    while let Ok(text) = messages.recv().await {
        if socket.send(Message::text(text)).await.is_err() {
            break;
        }
    }
}
