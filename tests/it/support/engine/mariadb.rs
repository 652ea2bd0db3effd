//! MariaDB, from Debian's package.

use std::path::{Path, PathBuf};

use super::product::{self, Product};

/// The database on the server.
const DATABASE: &str = "test";

/// Settings of both the installation and the server. If they differed, the server would resize its
/// log at the start. Neither reads the configuration of the machine.
const SETTINGS: [&str; 3] = [
    "--innodb-log-file-size=4M",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
];

pub(super) struct MariaDb;

impl Product for MariaDb {
    fn package(&self) -> &'static str {
        "mariadb-server"
    }

    fn user(&self) -> &'static str {
        "mysql"
    }

    /// Other signals start an orderly shutdown, which takes seconds. This one leaves only files
    /// behind.
    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let folders = ["/usr/sbin", "/usr/bin"];
        let mut programs = folders
            .map(|folder| Path::new(folder).join(name))
            .into_iter();
        programs.find(|program| program.exists())
    }

    fn server_program(&self) -> &'static str {
        "mariadbd"
    }

    fn installation(&self, data: &Path) -> (&'static str, Vec<String>) {
        let arguments = [
            "--no-defaults", // must be the first argument
            "--auth-root-authentication-method=normal",
            "--skip-test-db", // its character set is always latin1
        ];
        let folder = format!("--datadir={}", data.display());
        let arguments = arguments.into_iter().chain(SETTINGS).map(str::to_owned);
        ("mariadb-install-db", arguments.chain([folder]).collect())
    }

    /// MariaDB treats a folder as a database. Without options, it has the server's character set.
    fn finish_installation(&self, data: &Path) {
        product::make_folder(self, &data.join(DATABASE));
    }

    fn server_arguments(&self, data: &Path, port: u16) -> Vec<String> {
        let arguments = [
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--socket=server.sock", // in the folder of the data
            "--pid-file=server.pid",
            "--max-connections=200",
            // Written data survives the death of the server; no test simulates a power failure.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=0",
        ];
        let location = [
            format!("--datadir={}", data.display()),
            format!("--port={port}"),
        ];
        let arguments = arguments.into_iter().chain(SETTINGS).map(str::to_owned);
        arguments.chain(location).collect()
    }

    fn url(&self, port: u16) -> String {
        format!("mysql://root@127.0.0.1:{port}/{DATABASE}")
    }

    fn data_folder_query(&self) -> &'static str {
        "SELECT @@datadir"
    }
}
