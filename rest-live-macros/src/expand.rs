//! The code of a serializer: data and one-line calls; the logic is in the runtime.

use heck::ToUpperCamelCase;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Generics, LitStr, Path, spanned::Spanned};

use crate::ast::{Group, Serializer, SerializerField, Source};

/// Writes what a serializer and its attributes stand for.
pub(crate) fn serializer(serializer: &Serializer) -> TokenStream {
    let conversion = serializer.from_model.then(|| conversion(serializer));
    let subscribable = subscribable(serializer);
    let hooks = if serializer.hooks {
        hooks(serializer)
    } else {
        assert_live(serializer)
    };
    quote!(#conversion #subscribable #hooks)
}

/// What the rest of the program expects of a serializer that has a mistake: without it, each use
/// of the conversion and of the entity would be one more error, about nothing.
pub(crate) fn stand_in(serializer: &Serializer, generics: &Generics) -> TokenStream {
    let Serializer {
        ident,
        entity,
        krate,
        ..
    } = serializer;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let conversion = serializer.from_model.then(|| {
        quote! {
            #[automatically_derived]
            impl #parameters ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model> for #ident #arguments #bounds {
                fn from(_: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                    ::core::unreachable!()
                }
            }
        }
    });
    let hooks = serializer.hooks.then(|| hooks(serializer));
    quote!(#conversion #hooks)
}

fn conversion(
    Serializer {
        ident,
        entity,
        krate,
        fields,
        ..
    }: &Serializer,
) -> TokenStream {
    let fields = fields.iter().map(|SerializerField { ident, cfg, source }| {
        let value = match source {
            Source::Default => quote!(::core::default::Default::default()),
            Source::Column(column) => {
                quote_spanned!(column.span()=> ::core::convert::Into::into(::core::clone::Clone::clone(&row.#column)))
            }
        };
        quote!(#(#cfg)* #ident: #value)
    });
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model> for #ident {
            fn from(row: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                Self { #(#fields),* }
            }
        }
    }
}

fn subscribable(serializer: &Serializer) -> TokenStream {
    let Serializer {
        ident,
        entity,
        krate,
        rank,
        check_permission,
        secret,
        groups,
        ..
    } = serializer;
    let name = ident.to_string();
    let model = option(serializer.model.as_ref().map(ToTokens::to_token_stream));
    let permission = option(check_permission.as_ref().map(|path| {
        // At the path, which is where the compiler says what the function should be.
        let model = quote_spanned!(path.span()=> <#entity as #krate::__private::sea_orm::EntityTrait>::Model);
        quote_spanned!(path.span()=> || #krate::__private::Permission::of::<#model, _>(#path))
    }));
    let secret = secret.iter().map(|name| column(name, entity, krate));
    let declarations = groups
        .iter()
        .map(|group| group_declaration(group, entity, krate));
    quote! {
        #[automatically_derived]
        impl #krate::Subscribable for #ident {
            type Entity = #entity;

            const DECLARATION: #krate::__private::Declaration<<#entity as #krate::__private::sea_orm::EntityTrait>::Column> =
                #krate::__private::Declaration {
                    serializer: #name,
                    module: ::core::module_path!(),
                    model: #model,
                    rank: #rank,
                    check_permission: #permission,
                    secret: &[#(#secret),*],
                    groups: &[#(#declarations),*],
                };

            fn from_row(row: &<#entity as #krate::__private::sea_orm::EntityTrait>::Model) -> Self {
                <Self as ::core::convert::From<&<#entity as #krate::__private::sea_orm::EntityTrait>::Model>>::from(row)
            }
        }
        #krate::__private::inventory::submit! { #krate::__private::Registration::of::<#ident>() }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Returns the variant of a column, as SeaORM names that of a field; at the string, so that the compiler's
/// list of similar columns stands there.
fn column(name: &LitStr, entity: &Path, krate: &Path) -> TokenStream {
    let variant = Ident::new(&name.value().to_upper_camel_case(), name.span());
    quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::Column::#variant)
}

fn group_declaration(group: &Group, entity: &Path, krate: &Path) -> TokenStream {
    let Group {
        key,
        authorize,
        public,
    } = group;
    let key = match key {
        None => quote!(::core::option::Option::None),
        Some(key) => {
            let column = column(key, entity, krate);
            quote!(::core::option::Option::Some((#key, #column)))
        }
    };
    let authorize = option(authorize.as_ref().map(|path| {
        // Not at the path: the compiler would propose to strike out there what it finds too much.
        let arguments = quote!((user, value, db));
        quote_spanned! {path.span()=>
            || #krate::__private::Authorization::of(&#path, |user, value, db| ::std::boxed::Box::pin(#path #arguments))
        }
    }));
    quote!(#krate::__private::GroupDeclaration { group_key: #key, authorize: #authorize, public: #public })
}

/// The `ActiveModelBehavior` of an entity whose user wrote none. It has the attribute's place, which
/// is what the compiler shows beside another implementation.
fn hooks(Serializer { entity, krate, .. }: &Serializer) -> TokenStream {
    let active_model = quote!(<#entity as #krate::__private::sea_orm::EntityTrait>::ActiveModel);
    let before_save = crate::live::before_save(krate, &[]);
    let after_save = crate::live::after_save(krate, &[]);
    let before_delete = crate::live::before_delete(krate, &[]);
    let after_delete = crate::live::after_delete(krate, &[]);
    quote! {
        #[automatically_derived]
        #[#krate::__private::async_trait]
        impl #krate::__private::sea_orm::ActiveModelBehavior for #active_model {
            #before_save
            #after_save
            #before_delete
            #after_delete
        }
        #[automatically_derived]
        impl #krate::__private::LiveModel for #active_model {}
    }
}

fn assert_live(Serializer { entity, krate, .. }: &Serializer) -> TokenStream {
    quote_spanned!(entity.span()=> const _: () = #krate::__private::assert_live::<#entity>();)
}
