//! The contract of every event log. Each property runs on its own server.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use rest_live::log::EventLog;
use rest_live_outbox::OutboxLog;
use rest_live_runtime::testing::contract::Subject;

use super::Server;
use crate::support::{TICK, soon};

impl Subject for Server {
    fn open(&self) -> BoxFuture<'_, Arc<dyn EventLog>> {
        async { Arc::new(Self::open(self).await) as Arc<dyn EventLog> }.boxed()
    }

    fn trim(&self) -> BoxFuture<'_, ()> {
        async {
            let options = OutboxLog::options().keep(Duration::ZERO);
            let _node = options.open(self.db.clone()).await.unwrap();
            soon("the removal", async {
                while self.number("SELECT count(*) FROM live_event").await > 0 {
                    tokio::time::sleep(TICK).await;
                }
            })
            .await;
        }
        .boxed()
    }
}

rest_live_runtime::contract_tests!(Server::start());
