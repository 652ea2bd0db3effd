//! The texts: the report of all mistakes, and the warning about a model without a serializer.

use rest_live::Live;
use sea_orm::{ActiveValue::Set, entity::prelude::*};

use super::{ByWeight, SecondTask};
use crate::{
    entities::{seat, task::TaskSerializer},
    support::{Log, alone, database, task},
};

#[tokio::test]
async fn report_names_all_mistakes_and_their_fixes() {
    let (db, _database) = database().await;
    let builder = Live::<()>::builder(db)
        .discover(false)
        .register::<TaskSerializer>()
        .register::<SecondTask>()
        .register::<ByWeight>();
    let report = builder.build().expect_err("an error").to_string();
    assert_eq!(report.lines().count(), 3, "{report}");
    for part in [
        "give one of them a higher rank",
        "cannot be subscribed to by `weight`",
        "it::build::SecondTask",
    ] {
        assert!(report.contains(part), "{part} is not in: {report}");
    }
}

/// The crate of the serializer may not be linked in, and nothing else reports that.
#[tokio::test]
async fn write_without_a_serializer_logs_one_warning() {
    // A process logs the warning once.
    let path = concat!(
        module_path!(),
        "::write_without_a_serializer_logs_one_warning"
    );
    alone(path, async {
        let (db, _database) = database().await;
        let live = Live::<()>::builder(db)
            .discover(false)
            .register::<TaskSerializer>()
            .build()
            .unwrap();
        let log = Log::start();
        task(1, "known", 1).insert(&live.db()).await.unwrap();
        let seat = || seat::ActiveModel {
            hall: Set("red".to_owned()),
            number: Set(1),
            guest: Set(None),
        };
        seat().insert(&live.db()).await.unwrap();
        seat().delete(&live.db()).await.unwrap();
        let log = log.end();
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
        assert!(
            log.contains("table=\"seat\"") && log.contains("register::<TheSerializer>()"),
            "{log}"
        );
    })
    .await;
}

/// A `main` that returns the error prints it with `Debug`.
#[tokio::test]
async fn debug_of_an_error_gives_the_advice() {
    let (db, _database) = database().await;
    let error = Live::<()>::builder(db)
        .discover(false)
        .build()
        .expect_err("nothing is registered");
    assert!(error.to_string().contains("write #[subscribable] above"));
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), error.to_string());
    let boxed: Box<dyn std::error::Error> = error.into();
    assert!(format!("{boxed:?}").contains("write #[subscribable] above"));
}
