//! Triggers of PostgreSQL: the session that writes a row has no influence on its payload.

use rest_live::Live;
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::ConnectionTrait;
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::{
    expect, follow, loaded,
    postgres::{SampleSerializer, TABLE, create, sample},
};
use crate::support::{Engine, TestDatabase};

/// Settings that change how PostgreSQL writes values as text.
const SETTINGS: [&str; 2] = [
    "SELECT 1",
    "SET TimeZone = 'Europe/Berlin'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'iso_8601'; \
     SET extra_float_digits = -15; SET bytea_output = 'escape'; SET lc_monetary = 'C'; SET xmlbinary = 'hex'",
];

#[tokio::test]
async fn settings_of_the_writer_have_no_influence() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let db = database.connect().await;
    create(&db).await;
    let manager = SchemaManager::new(&db);
    Outbox.up(&manager).await.unwrap();
    let capture = Capture::of::<sample::Entity>("it.Sample");
    capture.up(&manager).await.unwrap();
    let log = OutboxLog::open(db.clone()).await.unwrap();
    let live: Live = Live::builder(db.clone())
        .discover(false)
        .register::<SampleSerializer>()
        .log(log)
        .build()
        .unwrap();
    let mut options = sea_orm::ConnectOptions::new(database.url());
    options.max_connections(1).sqlx_logging(false);
    let writer = sea_orm::Database::connect(options).await.unwrap();
    for settings in SETTINGS {
        writer.execute_unprepared(settings).await.unwrap();
        for id in 1..=TABLE.rows() {
            let what = format!("after {settings}, row {id}");
            let mut client = follow(&live, "it.Sample", id).await;
            writer.execute_unprepared(&TABLE.insert(id)).await.unwrap();
            let payload = loaded::<SampleSerializer>(&db, id).await;
            expect(&mut client, &what, "CREATED", &payload).await;
            let update = format!("UPDATE sample SET version = 2 WHERE id = {id}");
            writer.execute_unprepared(&update).await.unwrap();
            let payload = loaded::<SampleSerializer>(&db, id).await;
            expect(&mut client, &what, "UPDATED", &payload).await;
            let delete = format!("DELETE FROM sample WHERE id = {id}");
            writer.execute_unprepared(&delete).await.unwrap();
            expect(&mut client, &what, "DELETED", &payload).await;
        }
    }
}
