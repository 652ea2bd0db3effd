//! The cases of the Autobahn testsuite that matter to a server, at the level of bytes.
//!
//! A table names the cases that a row stands for, so that a failure can be looked up at
//! <https://github.com/crossbario/autobahn-testsuite>. Autobahn waits for an echo. This server echoes nothing, but answers
//! what is no request with an error frame, which has the request's `id` in it.

mod close;
mod control;
mod forbidden;
mod fragments;
mod frame;
mod limits;
mod peer;
mod utf8;

use rest_live::Limits;

use self::peer::{Delivery, Peer, Reply};
use crate::support::{App, Client};

/// What a client sends, and what it gets: the numbers of the cases, frames, replies.
type Case = (&'static str, Vec<Vec<u8>>, Vec<Reply>);

/// A server, and a client that behaves, for which it must go on.
struct Server {
    app: App,
    witness: Client,
    /// Id of the last row that the witness was told of.
    row: i32,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    async fn start_with(limits: Limits) -> Self {
        let app = App::start_with(limits).await;
        let mut witness = app.client().await;
        witness
            .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
            .await;
        Self {
            app,
            witness,
            row: 0,
        }
    }

    async fn peer(&self, what: &str) -> Peer {
        Peer::connect(&self.app, what).await
    }

    /// Tries each case in each way of delivery.
    async fn try_all(&mut self, cases: &[Case]) {
        for case in cases {
            for delivery in Delivery::ALL {
                self.try_case(case, delivery).await;
            }
        }
    }

    async fn try_case(&mut self, (numbers, frames, replies): &Case, delivery: Delivery) {
        let mut peer = self.peer(&format!("case {numbers}, {delivery:?}")).await;
        peer.send(frames, delivery).await;
        peer.expect_all(replies).await;
        self.finish(peer).await;
    }

    /// Asserts that nothing more comes, and that others are served, while this connection is still there.
    async fn finish(&mut self, mut peer: Peer) {
        self.assert_serves().await;
        peer.assert_over().await;
    }

    /// Asserts that a change reaches the witness.
    async fn assert_serves(&mut self) {
        self.row += 1;
        self.app.insert_task(self.row, "for the witness", 1).await;
        assert_eq!(self.witness.json().await["payload"]["id"], self.row);
    }
}
