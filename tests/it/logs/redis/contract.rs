//! The contract of every event log.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use rest_live_runtime::{EventLog, testing::contract::Subject};

use super::{Redis, node, shared};

impl Subject for Redis {
    fn open(&self) -> BoxFuture<'_, Arc<dyn EventLog>> {
        node(self).map(shared).boxed()
    }

    fn trim(&self) -> BoxFuture<'_, ()> {
        async {
            let _: u64 = self.ask("XTRIM rest-live:events MAXLEN 0").await;
        }
        .boxed()
    }
}

rest_live_runtime::contract_tests!(Redis::start());
