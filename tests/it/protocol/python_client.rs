//! The session of django-rest-live's first README, with Python's `websockets` as the client.

use std::process::Command;

use crate::support::{Example, soon};

#[tokio::test]
async fn python_client_completes_the_seed_session() {
    let app = Example::start("todolist").await;
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/clients/seed_session.py"
        ))
        .arg(&app.addr);
    let output = soon(
        "the session",
        tokio::task::spawn_blocking(move || command.output()),
    )
    .await
    .unwrap()
    .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{stdout}{stderr}\nWithout the module, run `cargo xtask test`, or `apt-get install python3-websockets`."
    );
    assert_eq!(stdout.lines().last(), Some("the session went as it should"));
}
