//! The cases of the Autobahn testsuite that matter to a server, at the level of bytes.
//!
//! Each row of a table names the cases that it stands for, so that a failure can be looked up at
//! <https://github.com/crossbario/autobahn-testsuite>. Autobahn expects an echo. This server echoes
//! nothing. It answers an invalid request with an error frame that contains the `id` of the
//! request.

mod close;
mod control;
mod forbidden;
mod fragments;
mod frame;
mod limits;
mod raw_client;
mod utf8;

use rest_live::Limits;

use self::raw_client::{Delivery, RawClient, Reply};
use crate::support::{App, Client};

/// The numbers of the cases, the frames that a client sends, and the replies that it gets.
type Case = (&'static str, Vec<Vec<u8>>, Vec<Reply>);

/// A server, and a well-behaved client that it must continue to serve.
struct Server {
    app: App,
    witness: Client,
    /// Id of the last row that the witness received.
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

    async fn connect(&self, what: &str) -> RawClient {
        RawClient::connect(&self.app, what).await
    }

    /// Tries each case with each delivery.
    async fn try_all(&mut self, cases: &[Case]) {
        for case in cases {
            for delivery in Delivery::ALL {
                self.try_case(case, delivery).await;
            }
        }
    }

    async fn try_case(&mut self, (numbers, frames, replies): &Case, delivery: Delivery) {
        let mut client = self.connect(&format!("case {numbers}, {delivery:?}")).await;
        client.send(frames, delivery).await;
        client.expect_all(replies).await;
        self.finish(client).await;
    }

    /// Asserts that others are served while this connection is open, and that nothing more arrives
    /// on it.
    async fn finish(&mut self, mut client: RawClient) {
        self.assert_serves().await;
        client.assert_over().await;
    }

    /// Asserts that a change reaches the witness.
    async fn assert_serves(&mut self) {
        self.row += 1;
        self.app.insert_task(self.row, "for the witness", 1).await;
        assert_eq!(self.witness.json().await["payload"]["id"], self.row);
    }
}
