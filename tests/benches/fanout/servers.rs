//! The servers, each in a process of its own: they take a load from their input, and publish it.

mod axum;
mod careful;
mod chat;
pub mod rest_live;

use std::{io::stdin, net::SocketAddr, sync::Arc};

use rustix::net::sockopt::set_tcp_nodelay;
use tokio::net::TcpListener;
use warp::{
    Filter,
    ws::{WebSocket, Ws},
};

use self::{axum::Axum, careful::Careful, chat::Chat, rest_live::RestLive};
use super::{
    host,
    load::{Load, offer},
    wire::{self, Message},
};

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    RestLive,
    /// With a `check_permission`.
    Asked,
    Chat,
    ChatNodelay,
    Careful,
    Axum,
}

impl Variant {
    const ALL: [Self; 6] = [
        Self::RestLive,
        Self::Asked,
        Self::Chat,
        Self::ChatNodelay,
        Self::Careful,
        Self::Axum,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::RestLive => "rest-live",
            Self::Asked => "rest-live with check_permission",
            Self::Chat => "chat",
            Self::ChatNodelay => "chat-nodelay",
            Self::Careful => "careful",
            Self::Axum => "axum",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// Returns the model whose groups it has.
    pub fn model(self) -> &'static str {
        match self {
            Self::Asked => wire::ASKED,
            _ => wire::OPEN,
        }
    }
}

/// What a server does with a transaction.
pub trait Publish: Send + Sync + 'static {
    /// Tells the subscribers, or has it done: it waits for none of them.
    fn publish(&self, messages: Vec<Message>) -> impl Future<Output = ()> + Send;
}

/// Serves each websocket of warp's, with what all of them share.
fn serve_websockets<S, F>(listener: TcpListener, shared: S, serve: fn(WebSocket, S) -> F)
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let route = warp::path!("ws" / "subscribe")
        .and(warp::ws())
        .map(move |upgrade: Ws| {
            let shared = shared.clone();
            upgrade.on_upgrade(move |socket| serve(socket, shared))
        });
    tokio::spawn(warp::serve(route).incoming(listener).run());
}

/// Serves until the input ends: says where, then publishes a load for each line.
pub fn run(variant: Variant) {
    host::pin(host::OF_SERVER);
    rest_live_benches::raise_files();
    // What `#[tokio::main]` makes of one core.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (listener, address) = listen(variant).await;
        match variant {
            Variant::RestLive | Variant::Asked => {
                serve(address, RestLive::start(listener, variant.model()).await).await;
            }
            Variant::Chat | Variant::ChatNodelay => serve(address, Chat::start(listener)).await,
            Variant::Careful => serve(address, Careful::start(listener)).await,
            Variant::Axum => serve(address, Axum::start(listener)).await,
        }
    });
}

async fn serve(address: SocketAddr, server: impl Publish) {
    let server = Arc::new(server);
    println!("{address}");
    for line in stdin().lines() {
        let load: Load = serde_json::from_str(&line.unwrap()).unwrap();
        tokio::spawn(offer(Arc::clone(&server), load));
    }
}

/// Listens, with TCP_NODELAY on all that is accepted (Linux has it inherited), except where the point is to go without, and
/// where the server sees to it.
async fn listen(variant: Variant) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let as_it_is = matches!(variant, Variant::RestLive | Variant::Asked | Variant::Chat);
    if !as_it_is {
        set_tcp_nodelay(&listener, true).unwrap();
    }
    let address = listener.local_addr().unwrap();
    (listener, address)
}
