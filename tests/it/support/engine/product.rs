//! What differs from server to server, and how a program of one is run.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

/// A database server as Debian packages it.
pub(super) trait Product: Sync {
    /// Debian's package.
    fn package(&self) -> &'static str;

    /// Who runs it where the tests run as root, which servers refuse to be: the package creates them.
    fn user(&self) -> &'static str;

    /// The signal on which it is gone at once and leaves nothing behind in the kernel.
    fn end(&self) -> &'static str;

    /// Finds one of its programs.
    fn program(&self, name: &str) -> Option<PathBuf>;

    /// The program that serves.
    fn server(&self) -> &'static str;

    /// The program and the arguments that fill an empty folder with no data.
    fn installation(&self, data: &Path) -> (&'static str, Vec<String>);

    /// What is to be done to an installation, before it is copied.
    fn complete(&self, _data: &Path) {}

    /// The arguments of the server.
    fn serving(&self, data: &Path, port: u16) -> Vec<String>;

    fn url(&self, port: u16) -> String;

    /// The statement that says in which folder the data is.
    fn whereabouts(&self) -> &'static str;

    /// Tidies up after a server that was killed and will not run on this data again.
    fn forget(&self, _data: &Path) {}
}

/// Returns a program of a product as a command that runs as the product's user, whom `folder` must be
/// open to, and that does not outlive the thread which starts it: not even where the test is killed.
pub(super) fn command(product: &dyn Product, name: &str, folder: &Path) -> Command {
    let mut command = Command::new("setpriv"); // of util-linux, which Debian always has
    command.args(["--pdeathsig", product.end()]);
    if uid() == 0 {
        let user = product.user();
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command
        .arg("--")
        .arg(find(product, name))
        .current_dir(folder);
    command
}

/// Returns what the server says of its version.
pub(super) fn version(product: &dyn Product) -> String {
    let mut command = Command::new(find(product, product.server()));
    let output = command.arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes an empty folder that belongs to the product's user, and that nobody else may read: PostgreSQL
/// insists on it.
pub(super) fn make_folder(product: &dyn Product, path: &Path) {
    let mut command = Command::new("install");
    command.args(["--directory", "--mode", "700"]);
    if uid() == 0 {
        command.args(["--owner", product.user(), "--group", product.user()]);
    }
    run(command.arg(path));
}

/// Runs a program that must succeed; panics with what it said if it does not.
pub(super) fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns who runs the test.
pub(super) fn uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn find(product: &dyn Product, name: &str) -> PathBuf {
    product.program(name).unwrap_or_else(|| {
        let package = product.package();
        panic!(
            "`{name}` is missing: `cargo xtask test` installs it, as `apt-get install {package}` does"
        )
    })
}
