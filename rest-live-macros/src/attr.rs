//! One `#[subscribable(...)]` attribute.

mod secret;

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Group, Span, TokenTree};
use syn::{
    Expr, ExprLit, ExprPath, Ident, Lit, LitBool, LitStr, Meta, MetaNameValue, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use self::secret::Secret;
use crate::stack::text;

/// The arguments of one attribute, each as it was written.
pub(crate) struct Attr {
    /// Where the attribute is, for what it lacks.
    pub(crate) span: Span,
    pub(crate) group_key: Option<LitStr>,
    pub(crate) authorize: Option<Path>,
    pub(crate) public: Option<Path>,
    pub(crate) entity: Option<Path>,
    pub(crate) model: Option<LitStr>,
    pub(crate) check_permission: Option<Path>,
    pub(crate) rank: Option<Rank>,
    pub(crate) secret: Option<Secret>,
    pub(crate) hooks: Option<LitBool>,
    pub(crate) from_model: Option<LitBool>,
    pub(crate) krate: Option<Path>,
    /// The arguments that are there, but wrong: nobody should be told that they are missing.
    pub(crate) mistaken: Vec<&'static str>,
}

/// A rank, with the place it was written at.
#[derive(Clone)]
pub(crate) struct Rank {
    pub(crate) value: i32,
    pub(crate) expr: Expr,
}

const ARGUMENTS: [&str; 11] = [
    "group_key",
    "authorize",
    "public",
    "entity",
    "model",
    "check_permission",
    "rank",
    "secret",
    "hooks",
    "from_model",
    "crate",
];

impl Attr {
    /// Parses the arguments, in parentheses that stand at the attribute's place. Every mistake goes
    /// into `errors`; what is right is kept.
    pub(crate) fn parse(args: Group, errors: &mut Vec<syn::Error>) -> Self {
        let mut attr = Self {
            span: args.span(),
            group_key: None,
            authorize: None,
            public: None,
            entity: None,
            model: None,
            check_permission: None,
            rank: None,
            secret: None,
            hooks: None,
            from_model: None,
            krate: None,
            mistaken: Vec::new(),
        };
        let metas = |input: ParseStream<'_>| {
            let content;
            syn::parenthesized!(content in input);
            while !content.is_empty() {
                if let Err(error) = attr.argument(&content) {
                    errors.push(error);
                    skip_argument(&content)?;
                }
                if content.is_empty() {
                    break;
                }
                if let Err(error) = content.parse::<Token![,]>() {
                    errors.push(error);
                }
            }
            Ok(())
        };
        if let Err(error) = metas.parse2(TokenTree::Group(args).into()) {
            errors.push(error);
        }
        if let (Some(_), Some(public)) = (&attr.authorize, &attr.public) {
            errors.push(syn::Error::new_spanned(
                public,
                "say either `authorize` or `public`: a group is for those whom a function lets in, or for everybody",
            ));
        }
        attr
    }

    fn argument(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // A value without a name, and a name that is like none of ours, were meant as the group's.
        let meant = input
            .fork()
            .call(Ident::parse_any)
            .ok()
            .and_then(|name| nearest(&name.to_string()))
            .unwrap_or("group_key");
        let taken = argument(input).and_then(|meta| self.take(&meta));
        if taken.is_err() {
            self.mistaken.push(meant);
        }
        taken
    }

    fn take(&mut self, meta: &Meta) -> syn::Result<()> {
        let name = meta.path();
        let Some(ident) = name
            .segments
            .last()
            .filter(|_| name.segments.len() == 1)
            .map(|s| s.ident.unraw())
        else {
            return Err(unknown(meta, &text(name)));
        };
        match ident.to_string().as_str() {
            "group_key" => set(&mut self.group_key, &ident, string(meta, &quoted(meta))?)
                .and_then(|()| self.check_group_key()),
            "authorize" => set(
                &mut self.authorize,
                &ident,
                path(meta, "permissions::may_see_list")?,
            ),
            "public" => match meta {
                Meta::Path(public) if self.public.is_none() => {
                    self.public = Some(public.clone());
                    Ok(())
                }
                _ => Err(syn::Error::new_spanned(
                    meta,
                    "write `public` alone and once",
                )),
            },
            "entity" => set(&mut self.entity, &ident, path(meta, "task::Entity")?),
            "model" => set(&mut self.model, &ident, string(meta, r#""todolist.Task""#)?)
                .and_then(|()| self.check_model()),
            "check_permission" => set(
                &mut self.check_permission,
                &ident,
                path(meta, "permissions::may_see")?,
            ),
            "rank" => set(&mut self.rank, &ident, rank(meta)?),
            "secret" => set(&mut self.secret, &ident, Secret::of(meta)?),
            "hooks" => set(&mut self.hooks, &ident, boolean(meta)?),
            "from_model" => set(&mut self.from_model, &ident, boolean(meta)?),
            "crate" => set(&mut self.krate, &ident, path(meta, "rest_live")?),
            other => Err(unknown(meta, other)),
        }
    }

    fn check_group_key(&self) -> syn::Result<()> {
        let Some(key) = &self.group_key else {
            return Ok(());
        };
        match key.value().as_str() {
            "pk" => Err(syn::Error::new_spanned(
                key,
                "`pk` is the primary key: write `#[subscribable]` without a group key",
            )),
            // The compiler suggests the variant where a column is misspelt.
            name if name.starts_with(char::is_uppercase) && is_column(name) => {
                Err(syn::Error::new_spanned(
                    key,
                    format!(
                        "a group key is the name of a column's field in the model, as clients write it: write `group_key = \"{}\"`",
                        name.to_snake_case()
                    ),
                ))
            }
            name if is_column(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                key,
                r#"a group key is the name of a column's field in the model: write `group_key = "list_id"`"#,
            )),
        }
    }

    fn check_model(&self) -> syn::Result<()> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let value = model.value();
        let good =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        match value.split_once('.') {
            Some((application, name)) if good(application) && good(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                model,
                r#"a model's label is the application, a dot and the model's name: write `model = "todolist.Task"`"#,
            )),
        }
    }
}

/// Returns whether a field can have this name, and its column the one that SeaORM makes of it.
fn is_column(name: &str) -> bool {
    let is_ident = |name: &str| Ident::parse_any.parse_str(name).is_ok();
    is_ident(name) && !name.starts_with("r#") && is_ident(&name.to_upper_camel_case())
}

fn argument(input: ParseStream<'_>) -> syn::Result<Meta> {
    if input.peek(Lit) {
        let literal: Lit = input.parse()?;
        let key = match &literal {
            Lit::Str(key) => text(key),
            _ => r#""list_id""#.to_owned(),
        };
        return Err(syn::Error::new_spanned(
            &literal,
            format!("arguments have names: write `group_key = {key}`"),
        ));
    }
    let name = input.fork().call(Path::parse_mod_style)?;
    let meta: syn::Result<Meta> = input.parse();
    meta.map_err(|error| match input.is_empty() || input.peek(Token![,]) {
        // What the compiler's parser says of the end of the tokens has no place.
        true => syn::Error::new_spanned(
            &name,
            format!("write a value behind `{} =`, or leave it out", text(&name)),
        ),
        false => error,
    })
}

/// Goes on to the comma behind a wrong argument.
fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

fn set<T>(slot: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` is given twice: keep one"),
        ));
    }
    *slot = Some(value);
    Ok(())
}

fn unknown(meta: &Meta, name: &str) -> syn::Error {
    let message = match (nearest(name), meta) {
        (Some(near), _) => format!("unknown argument `{name}`: did you mean `{near}`?"),
        (None, Meta::Path(_)) if is_column(name) => {
            format!("unknown argument `{name}`: for a column, write `group_key = \"{name}\"`")
        }
        (None, _) => format!(
            "unknown argument `{name}`: there are {}",
            ARGUMENTS.map(|a| format!("`{a}`")).join(", ")
        ),
    };
    syn::Error::new_spanned(meta.path(), message)
}

/// Returns the argument that a misspelt name is nearest to, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let distance = |argument: &&str| edit_distance(name, argument);
    ARGUMENTS
        .into_iter()
        .min_by_key(distance)
        .filter(|best| distance(best) <= 1 + name.len() / 4)
}

/// Levenshtein distance, one row of the table at a time.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

fn value<'m>(meta: &'m Meta, example: &str) -> syn::Result<&'m Expr> {
    match meta {
        Meta::NameValue(MetaNameValue { value, .. }) => Ok(value),
        _ => {
            let name = text(meta.path());
            Err(syn::Error::new_spanned(
                meta,
                format!("`{name}` takes a value: write `{name} = {example}`"),
            ))
        }
    }
}

fn mismatch(meta: &Meta, at: &Expr, example: &str) -> syn::Error {
    syn::Error::new_spanned(at, format!("write `{} = {example}`", text(meta.path())))
}

/// Returns the column that was meant where it was written without quotes, or some column.
fn quoted(meta: &Meta) -> String {
    let column = match meta {
        Meta::NameValue(MetaNameValue {
            value: Expr::Path(value),
            ..
        }) => text(value),
        _ => String::new(),
    };
    let column = if is_column(&column) {
        &column
    } else {
        "list_id"
    };
    format!("{column:?}")
}

fn string(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    match value(meta, example)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Ok(string.clone()),
        other => Err(mismatch(meta, other, example)),
    }
}

fn boolean(meta: &Meta) -> syn::Result<LitBool> {
    match value(meta, "false")? {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(boolean),
            ..
        }) => Ok(boolean.clone()),
        other => Err(mismatch(meta, other, "false")),
    }
}

/// A path, bare or, as SeaORM and serde write theirs, in a string.
fn path(meta: &Meta, example: &str) -> syn::Result<Path> {
    let value = value(meta, example)?;
    match value {
        Expr::Path(ExprPath {
            path, qself: None, ..
        }) => Ok(path.clone()),
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => string.parse().map_err(|_| mismatch(meta, value, example)),
        other => Err(mismatch(meta, other, example)),
    }
}

fn rank(meta: &Meta) -> syn::Result<Rank> {
    let expr = value(meta, "1")?;
    // Also `-1`, which is an expression of two tokens.
    let value = text(expr)
        .replace(' ', "")
        .parse()
        .map_err(|_| mismatch(meta, expr, "1"))?;
    Ok(Rank {
        value,
        expr: expr.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_argument_finds_its_near_one() {
        for (written, meant) in [
            ("group", None),
            ("groupkey", Some("group_key")),
            ("check_permissions", Some("check_permission")),
            ("autorize", Some("authorize")),
            ("modell", Some("model")),
            ("colour", None),
        ] {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }
    #[test]
    fn a_column_is_what_a_field_can_be_called() {
        for name in ["id", "list_id", "type", "größe", "line2"] {
            assert!(is_column(name), "{name}");
        }
        // The last two have no variant: heck leaves nothing of `_`, and a digit of `_1`.
        for name in [
            "", "list id", "list-id", "task.id", "1st", "r#type", "_", "_1",
        ] {
            assert!(!is_column(name), "{name}");
        }
    }

    #[test]
    fn what_is_right_is_kept_and_what_is_wrong_was_meant() {
        let mut errors = Vec::new();
        let args = syn::parse_quote!((
            model = "app.Task",
            "list_id",
            enity = task::Entity,
            rank = -7 public,
            hooks = ,
            from_model = false,
        ));
        let attr = Attr::parse(args, &mut errors);

        assert_eq!(
            attr.model.map(|model| model.value()).as_deref(),
            Some("app.Task")
        );
        assert_eq!(attr.rank.map(|rank| rank.value), Some(-7));
        assert!(attr.public.is_some());
        assert!(attr.from_model.is_some_and(|from_model| !from_model.value));
        assert_eq!(attr.mistaken, ["group_key", "entity", "hooks"]);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                r#"arguments have names: write `group_key = "list_id"`"#,
                "unknown argument `enity`: did you mean `entity`?",
                "expected `,`",
                "write a value behind `hooks =`, or leave it out",
            ]
        );
    }
}
