import * as AuthScope from "@effect-oci/core/AuthScope"
import * as ResourceScope from "@effect-oci/core/ResourceScope"
import * as Schema from "effect/Schema"

/** An entry of the claim `access`, as distribution has it: "Token Authentication Implementation". */
const Entry = Schema.Struct({
  type: Schema.String,
  class: Schema.optional(Schema.String),
  name: Schema.String,
  actions: Schema.Array(Schema.String)
})

export type Access = ReadonlyArray<typeof Entry.Type>

/** What a token may hold, which bounds what is made of it. */
const maxEntries = 256

/** The claim, which may be missing, or `null` as Go writes an empty list. */
export const Claim: Schema.Schema<Access | null | undefined> = Schema.UndefinedOr(
  Schema.NullOr(Schema.Array(Entry).pipe(Schema.maxItems(maxEntries)))
)

/** `repository(plugin)` is a type and its class. An empty one would be none to others: `repository()` is a type. */
const classForm = /^([^()]+)\(([^()]+)\)$/

export const fromScope = (scope: AuthScope.AuthScope): Access => {
  const entries = new Map<string, { type: string; class?: string; name: string; actions: Array<string> }>()
  for (const part of AuthScope.values(scope)) {
    if (ResourceScope.isOpaque(part)) continue
    const { action, resource, type } = part
    const key = JSON.stringify([type, resource])
    const known = entries.get(key)
    if (known !== undefined) known.actions.push(action)
    else {
      const [, plain = type, kind] = classForm.exec(type) ?? []
      entries.set(key, {
        type: plain,
        ...(kind === undefined ? {} : { class: kind }),
        name: resource,
        actions: [action]
      })
    }
  }
  return [...entries.values()]
}

export const toScope = (access: Access): AuthScope.AuthScope =>
  AuthScope.make(
    access.flatMap(({ actions, class: kind, name, type }) =>
      actions.map((action) => ResourceScope.make(kind === undefined ? type : `${type}(${kind})`, name, action))
    )
  )
