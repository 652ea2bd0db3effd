//! The data of a server on which nothing was done yet: made once per machine, since that takes seconds, and
//! copied for each test.

use std::{
    fs::{self, File, Permissions},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::product::{self, Product};

/// Puts a copy at `to`, where nothing is yet.
pub(super) fn copy(product: &dyn Product, to: &Path) {
    // Whoever the data belongs to, its copy belongs to.
    product::run(
        Command::new("cp")
            .args(["--archive", "--reflink=auto", "--"])
            .args([&made(product), to]),
    );
}

/// Makes a temporary folder that the product's user can enter.
pub(super) fn folder(product: &dyn Product) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("rest-live-{}-", product.package()))
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// Returns where the data is, made by the first test that asks.
fn made(product: &dyn Product) -> PathBuf {
    let package = product.package();
    let shelf = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = shelf.join(format!("{package}-{:016x}", key(product)));
    if made.exists() {
        return made;
    }
    // One test makes it, and the others wait. The lock ends with the process, however that ends.
    let lock = File::create(shelf.join(format!("{package}.lock"))).unwrap();
    lock.lock().unwrap();
    if !made.exists() {
        // Here the product's user can write; on the shelf, somewhere in a home perhaps, nobody knows.
        let folder = folder(product);
        let data = folder.path().join("data");
        make(product, &data);
        let copy = shelf.join(format!("{package}.partial"));
        product::run(Command::new("rm").args(["-rf", "--"]).arg(&copy));
        product::run(
            Command::new("cp")
                .args(["--archive", "--"])
                .args([&data, &copy]),
        );
        // Whole or not there: who finds it asks for no lock.
        fs::rename(&copy, &made).unwrap();
    }
    made
}

fn make(product: &dyn Product, data: &Path) {
    product::make_folder(product, data);
    let (program, arguments) = product.installation(data);
    product::run(product::command(product, program, data).args(arguments));
    product.complete(data);
}

/// What the data depends on: another version of the server, another user or other settings make their own.
fn key(product: &dyn Product) -> u64 {
    let mut hasher = DefaultHasher::new();
    product::version(product).hash(&mut hasher);
    product.installation(Path::new("")).hash(&mut hasher);
    product::uid().hash(&mut hasher);
    hasher.finish()
}
