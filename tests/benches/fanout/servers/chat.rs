//! The obvious first server: the structure of warp's own example (`examples/websockets_chat.rs`),
//! with rooms. Each client has two tasks with an unbounded queue between them, a copy of each text,
//! and a write for each message.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::TcpListener,
    sync::{RwLock, mpsc},
};
use warp::ws::{self, WebSocket};

use super::{Publish, serve_websockets};
use crate::protocol::{self, Message};

static NEXT_CLIENT: AtomicUsize = AtomicUsize::new(0);

type Room = HashMap<usize, mpsc::UnboundedSender<ws::Message>>;
type Rooms = Arc<RwLock<HashMap<i32, Room>>>;

pub struct Chat {
    rooms: Rooms,
}

impl Chat {
    pub fn start(listener: TcpListener) -> Self {
        let rooms = Rooms::default();
        serve_websockets(listener, Arc::clone(&rooms), serve);
        Self { rooms }
    }
}

impl Publish for Chat {
    async fn publish(&self, messages: Vec<Message>) {
        for message in messages {
            let text = message.text();
            if let Some(room) = self.rooms.read().await.get(&message.group) {
                for queue in room.values() {
                    // A client that is gone is removed from the room by its own task.
                    _ = queue.send(ws::Message::text(text.clone()));
                }
            }
        }
    }
}

async fn serve(socket: WebSocket, rooms: Rooms) {
    let client = NEXT_CLIENT.fetch_add(1, Ordering::Relaxed);
    let (mut sink, mut stream) = socket.split();
    let (queue, mut waiting) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = waiting.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    while let Some(Ok(message)) = stream.next().await {
        if let Some(group) = message.to_str().ok().and_then(protocol::group_of) {
            let mut rooms = rooms.write().await;
            rooms
                .entry(group)
                .or_default()
                .insert(client, queue.clone());
            _ = queue.send(ws::Message::text(protocol::SUBSCRIBED_ONLY));
        }
    }
    for room in rooms.write().await.values_mut() {
        room.remove(&client);
    }
}
