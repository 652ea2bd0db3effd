//! Measures the cost of an event while many other groups exist. The groups have no sockets, because
//! a machine cannot have a million of them.

use std::sync::Arc;

use rest_live::{
    Live,
    log::{EventLog, MemoryLog},
    transport::{Outgoing, Session},
};
use rest_live_benches::median;

use super::{
    claim::Claim,
    host,
    process::Process,
    protocol::{self, Message},
    servers::rest_live::{self as server, User},
    shapes::RUNS,
    table::{Findings, Table},
};

const GROUPS: [i32; 3] = [1, 1_000, 1_000_000];

/// Subscriptions of a session. The default limit is 128.
const SUBSCRIPTIONS_PER_SESSION: usize = 100;

const EVENTS: u32 = 20_000;

pub fn measure() -> Findings {
    let mut costs = GROUPS.map(|_| Vec::new());
    for _ in 0..RUNS {
        for (groups, costs) in GROUPS.iter().zip(&mut costs) {
            let mut process = Process::start(["groups", &groups.to_string()]);
            costs.push(process.line().parse::<f64>().unwrap());
        }
    }
    let costs = costs.map(median);
    let row = |(groups, cost): (&i32, &f64)| vec![groups.to_string(), format!("{cost:.2}")];
    Findings {
        table: Table {
            head: vec!["idle groups", "CPU µs of an event"],
            rows: GROUPS.iter().zip(&costs).map(row).collect(),
        },
        claims: vec![
            Claim::at_most("CPU with 1,000 / with 1", 1.5, costs[1] / costs[0]),
            Claim::at_most("CPU with 1,000,000 / with 1", 1.5, costs[2] / costs[0]),
        ],
    }
}

/// Prints how many microseconds of processor time an event takes from the log to one session, with
/// this number of idle groups.
pub fn run(groups: i32) {
    host::pin(host::OF_SERVER);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (live, log) = server::live().await;
        let groups: Vec<i32> = (1..=groups).collect();
        let mut idle = Vec::new();
        for groups in groups.chunks(SUBSCRIPTIONS_PER_SESSION) {
            idle.push(subscribe(&live, groups).await);
        }
        let witness = subscribe(&live, &[0]).await;
        publish(&log, &witness, EVENTS / 10).await; // makes all one-time allocations
        let used = host::used();
        publish(&log, &witness, EVENTS).await;
        let used = host::used() - used;
        println!("{}", used.as_secs_f64() * 1e6 / f64::from(EVENTS));
        // Dropping a million groups takes long, and is not measured.
        std::process::exit(0);
    });
}

/// Returns a session that is subscribed to these groups in the plain dialect, which sends no
/// answers.
async fn subscribe(live: &Live<User>, groups: &[i32]) -> Session {
    let session = live.connect(User::any());
    for group in groups {
        let request = format!(r#"{{"model":"{}","list_id":{group}}}"#, protocol::OPEN);
        session.receive(&request).await;
    }
    session
}

/// Appends events one by one, each after the witness has received the one before.
async fn publish(log: &MemoryLog, witness: &Session, events: u32) {
    let model: Arc<str> = protocol::OPEN.into();
    for _ in 0..events {
        let message = Message {
            group: 0,
            id: 1,
            sent: host::now(),
        };
        log.append(vec![server::event(&model, &message).into()])
            .await
            .unwrap();
        match witness.outgoing().await {
            Outgoing::Frames(frames) => assert_eq!(frames.len(), 1),
            other => panic!("{other:?}"),
        }
    }
}
