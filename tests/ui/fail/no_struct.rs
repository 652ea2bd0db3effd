use rest_live::subscribable;

#[subscribable]
#[subscribable(group_key = "list_id")]
fn serialize_task() {}

fn main() {}
