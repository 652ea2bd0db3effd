//! One `#[subscribable(...)]` attribute.

mod argument;
mod argument_name;
mod columns;
mod group_key;
mod secret;
mod value;

use proc_macro2::{Group, Span, TokenTree};
use syn::{
    Ident, LitBool, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use self::{
    argument_name::{nearest_argument, unknown_argument},
    secret::Secret,
    value::{Rank, parse_boolean, parse_path, parse_rank, parse_string},
};
pub(crate) use self::{columns::Columns, group_key::GroupKey, secret::SecretColumn};
use crate::text::to_text;

/// The arguments of one attribute, as the user wrote them.
pub(crate) struct Attr {
    /// The place of the attribute, for errors about a missing argument.
    pub(crate) span: Span,
    /// The argument `all`: the group of all rows.
    pub(crate) all: Option<Path>,
    pub(crate) group_key: Option<GroupKey>,
    /// The variants of the group key's columns, if SeaORM derives others from the fields.
    pub(crate) column: Option<Columns>,
    pub(crate) authorize: Option<Path>,
    pub(crate) public: Option<Path>,
    pub(crate) entity: Option<Path>,
    pub(crate) model: Option<LitStr>,
    pub(crate) check_permission: Option<Path>,
    pub(crate) filter: Option<Path>,
    pub(crate) rank: Option<Rank>,
    pub(crate) secret: Option<Secret>,
    pub(crate) hooks: Option<LitBool>,
    pub(crate) from_model: Option<LitBool>,
    pub(crate) krate: Option<Path>,
    /// The names of arguments that are present but wrong. Validation does not report them as
    /// missing.
    pub(crate) mistaken: Vec<&'static str>,
}

impl Attr {
    /// Parses the arguments. `args` is a group in parentheses with the span of the attribute.
    /// Adds every mistake to `errors` and keeps the arguments that are correct.
    pub(crate) fn parse(args: Group, errors: &mut Vec<syn::Error>) -> Self {
        let mut attr = Self {
            span: args.span(),
            all: None,
            group_key: None,
            column: None,
            authorize: None,
            public: None,
            entity: None,
            model: None,
            check_permission: None,
            filter: None,
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
                if let Err(error) = attr.parse_argument(&content) {
                    errors.push(error);
                    argument::skip_argument(&content)?;
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
        if let Err(error) = attr.check_group() {
            attr.mistaken.push("group_key");
            errors.push(error);
        }
        if let (Some(_), Some(public)) = (&attr.authorize, &attr.public) {
            errors.push(syn::Error::new_spanned(
                public,
                "write either `authorize` or `public`: a group is open to the users whom a function admits, or to all users",
            ));
        }
        attr
    }

    /// Parses one argument. If it is wrong, notes which argument the user probably intended.
    fn parse_argument(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // A value without a name, or a name that is similar to none, is probably the group key.
        let intended = input
            .fork()
            .call(Ident::parse_any)
            .ok()
            .and_then(|name| nearest_argument(&name.to_string()))
            .unwrap_or("group_key");
        let result = argument::parse_argument(input).and_then(|meta| self.set(&meta));
        if result.is_err() {
            self.mistaken.push(intended);
        }
        result
    }

    /// Stores the value of one argument.
    fn set(&mut self, meta: &Meta) -> syn::Result<()> {
        let name = meta.path();
        let Some(ident) = name
            .segments
            .last()
            .filter(|_| name.segments.len() == 1)
            .map(|s| s.ident.unraw())
        else {
            return Err(unknown_argument(meta, &to_text(name)));
        };
        match ident.to_string().as_str() {
            "all" => set_flag(&mut self.all, "all", meta),
            "group_key" => set_once(&mut self.group_key, &ident, GroupKey::parse(meta)?),
            "column" => set_once(&mut self.column, &ident, Columns::parse(meta)?),
            "authorize" => set_once(
                &mut self.authorize,
                &ident,
                parse_path(meta, "permissions::may_see_list")?,
            ),
            "public" => set_flag(&mut self.public, "public", meta),
            "entity" => set_once(&mut self.entity, &ident, parse_path(meta, "task::Entity")?),
            "model" => set_once(
                &mut self.model,
                &ident,
                parse_string(meta, r#""todolist.Task""#)?,
            )
            .and_then(|()| self.check_model()),
            "check_permission" => set_once(
                &mut self.check_permission,
                &ident,
                parse_path(meta, "permissions::may_see")?,
            ),
            "filter" => set_once(&mut self.filter, &ident, parse_path(meta, "is_listed")?),
            "rank" => set_once(&mut self.rank, &ident, parse_rank(meta)?),
            "secret" => set_once(&mut self.secret, &ident, Secret::parse(meta)?),
            "hooks" => set_once(&mut self.hooks, &ident, parse_boolean(meta)?),
            "from_model" => set_once(&mut self.from_model, &ident, parse_boolean(meta)?),
            "crate" => set_once(&mut self.krate, &ident, parse_path(meta, "rest_live")?),
            other => Err(unknown_argument(meta, other)),
        }
    }

    /// Checks that the arguments that select the group fit together.
    fn check_group(&self) -> syn::Result<()> {
        match (&self.all, &self.group_key, &self.column) {
            (Some(all), Some(_), _) => Err(syn::Error::new_spanned(
                all,
                "write either `all` or `group_key`: `all` is the group of all rows. For both groups, write two attributes",
            )),
            (Some(_), None, Some(column)) => Err(syn::Error::new_spanned(
                column,
                "`column` is the column of a group key, and `all` has none: remove it",
            )),
            (None, None, Some(column)) if !self.mistaken.contains(&"group_key") => {
                Err(syn::Error::new_spanned(
                    column,
                    "`column` is the column of a group key: also write `group_key = \"list_id\"`, the name of its field in the model",
                ))
            }
            (None, Some(key), column) => key.check(column.as_ref()),
            (_, None, _) => Ok(()),
        }
    }

    /// Checks that the label is `application.Model`.
    fn check_model(&self) -> syn::Result<()> {
        let Some(model) = &self.model else {
            return Ok(());
        };
        let value = model.value();
        let is_word =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        match value.split_once('.') {
            Some((application, name)) if is_word(application) && is_word(name) => Ok(()),
            _ => Err(syn::Error::new_spanned(
                model,
                r#"a model's label is the application, a dot and the model's name: write `model = "todolist.Task"`"#,
            )),
        }
    }
}

/// Fills the slot of an argument without a value, unless it was given before.
fn set_flag(slot: &mut Option<Path>, name: &str, meta: &Meta) -> syn::Result<()> {
    match meta {
        Meta::Path(path) if slot.is_none() => {
            *slot = Some(path.clone());
            Ok(())
        }
        _ => Err(syn::Error::new_spanned(
            meta,
            format!("write `{name}` once and without a value"),
        )),
    }
}

/// Fills a slot, unless the argument was given before.
fn set_once<T>(slot: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new_spanned(
            name,
            format!("`{name}` is given twice: keep one"),
        ));
    }
    *slot = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correct_arguments_survive_wrong_ones() {
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
                "write a value after `hooks =`, or remove the argument",
            ]
        );
    }
}
