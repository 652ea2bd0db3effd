use rest_live::subscribable;
use serde::Serialize;

#[subscribable]
#[subscribable(group_key = "list_id")]
#[derive(Serialize)]
struct TaskSerializer {
    id: i32,
}

fn main() {}
