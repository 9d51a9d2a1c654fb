/**
 * The administration of a registry over HTTP, as an `HttpApi` of `@effect/platform`: creates, lists, renews and removes
 * robots. A client in TypeScript is `HttpApiClient.make(AdminApi.Api, { baseUrl })`.
 *
 * @since 0.1.0
 */
import * as Body from "@effect-oci/core/Body"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpServer from "@effect/platform/HttpServer"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Authorize } from "./Guard.js"
import * as Policy from "./Policy.js"
import * as Robots from "./Robots.js"

/**
 * A robot, without its secret.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Robot = Schema.Struct({
  name: Robots.Name,
  description: Schema.String,
  permissions: Schema.String,
  createdAt: Schema.Date,
  /** Absent if its secret does not expire. */
  expiresAt: Schema.optional(Schema.Date),
  /** Absent if the robot has never logged in. */
  lastUsedAt: Schema.optional(Schema.Date)
})

/** The longest lifetime is 100 years: times remain safe integers. */
const LifetimeDays = Schema.Number.pipe(Schema.positive(), Schema.lessThanOrEqualTo(36_525))

/**
 * A robot to create. `permissions` is as `Policy.parse` reads it. Without `lifetimeDays`, its secret does not expire.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NewRobot = Schema.Struct({
  name: Robots.Name,
  description: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(1000)), { default: () => "" }),
  permissions: Schema.String.pipe(Schema.maxLength(10_000)),
  lifetimeDays: Schema.optional(LifetimeDays)
})

/**
 * A user name and a new secret, which the registry cannot show again.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Issued = Schema.Struct({ username: Schema.String, secret: Schema.Redacted(Schema.String) })

/**
 * The permissions of a robot are malformed: 400.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdminInvalid extends Schema.TaggedError<AdminInvalid>()(
  "OciAdminInvalid",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/**
 * There is no such robot: 404.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdminUnknown extends Schema.TaggedError<AdminUnknown>()(
  "OciAdminUnknown",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/**
 * A robot with this name exists: 409.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdminExists extends Schema.TaggedError<AdminExists>()(
  "OciAdminExists",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {}

/**
 * The table of robots cannot be reached: 503.
 *
 * @since 0.1.0
 * @category errors
 */
export class AdminUnavailable extends Schema.TaggedError<AdminUnavailable>()(
  "OciAdminUnavailable",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {}

const Path = Schema.Struct({ name: Robots.Name })

const robots = HttpApiGroup.make("robots")
  .add(
    HttpApiEndpoint.get("list", "/robots")
      .setUrlParams(Schema.Struct({ after: Schema.optional(Schema.String) }))
      .addSuccess(Schema.Array(Robot))
      .annotate(OpenApi.Description, "Returns at most 1000 robots in the order of their names, after a name.")
  )
  .add(
    HttpApiEndpoint.post("create", "/robots").setPayload(NewRobot)
      .addSuccess(Issued, { status: 201 }).addError(AdminInvalid).addError(AdminExists)
      .annotate(OpenApi.Description, "Creates a robot. The secret is in this response only.")
  )
  .add(HttpApiEndpoint.get("get", "/robots/:name").setPath(Path).addSuccess(Robot).addError(AdminUnknown))
  .add(
    HttpApiEndpoint.post("renew", "/robots/:name/secret").setPath(Path)
      .setPayload(Schema.Struct({ lifetimeDays: Schema.optional(LifetimeDays) }))
      .addSuccess(Issued).addError(AdminUnknown)
      .annotate(OpenApi.Description, "Replaces the secret of a robot. The earlier secret is invalid at once.")
  )
  .add(
    HttpApiEndpoint.del("remove", "/robots/:name").setPath(Path).addError(AdminUnknown)
      .annotate(OpenApi.Description, "Removes a robot.")
  )
  .addError(AdminUnavailable)

/**
 * The API, below `/admin`.
 *
 * @since 0.1.0
 * @category api
 */
export const Api = HttpApi.make("admin").add(robots).prefix("/admin")
  .annotate(OpenApi.Title, "Administration of the registry")
  .annotate(OpenApi.Transform, (spec) => ({
    ...spec,
    components: {
      ...spec["components"] as object,
      securitySchemes: { basic: { type: "http", scheme: "basic" }, bearer: { type: "http", scheme: "bearer" } }
    },
    security: [{ basic: [] }, { bearer: [] }]
  }))

const dateOf = (millis: number | undefined) => millis === undefined ? undefined : new Date(millis)

const encoded = ({ createdAt, expiresAt, lastUsedAt, ...robot }: Robots.Robot): typeof Robot.Type => ({
  ...robot,
  createdAt: new Date(createdAt),
  expiresAt: dateOf(expiresAt),
  lastUsedAt: dateOf(lastUsedAt)
})

const days = (lifetime: number | undefined) => lifetime === undefined ? undefined : `${lifetime} days` as const

/** The errors of the API by the tags of those of robots. */
const problems = {
  OciPermissionInvalid: (message: string) => new AdminInvalid({ message }),
  OciRobotExists: (message: string) => new AdminExists({ message }),
  OciRobotUnknown: (message: string) => new AdminUnknown({ message }),
  OciUnavailable: (message: string) => new AdminUnavailable({ message })
}
type Problem<Tag extends keyof typeof problems> = ReturnType<(typeof problems)[Tag]>

const convert = <A, E extends { readonly _tag: keyof typeof problems; readonly message: string }>(
  effect: Effect.Effect<A, E>
): Effect.Effect<A, Problem<E["_tag"]>> =>
  Effect.mapError(effect, ({ _tag, message }) => problems[_tag](message) as Problem<E["_tag"]>)

const handlers = (robots: Robots.Robots) =>
  HttpApiBuilder.group(Api, "robots", (group) =>
    group
      .handle(
        "list",
        ({ urlParams: { after } }) => Effect.map(convert(robots.list(after)), (list) => list.map(encoded))
      )
      .handle(
        "create",
        ({ payload: { lifetimeDays, ...robot } }) => convert(robots.create({ ...robot, lifetime: days(lifetimeDays) }))
      )
      .handle("get", ({ path: { name } }) => Effect.map(convert(robots.find(name)), encoded))
      .handle(
        "renew",
        ({ path: { name }, payload: { lifetimeDays } }) => convert(robots.renew(name, days(lifetimeDays)))
      )
      .handle("remove", ({ path: { name } }) => convert(robots.remove(name))))

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly robots: Robots.Robots
  /** Decides who may use the API: callers with the scope `Policy.admin`. */
  readonly authorize: Authorize
}

/** The maximum size of a request, in bytes. */
const maxBytes = 64 * 1024

const text = (status: number, message: string): Wire.Response => ({
  status,
  headers: { "content-type": "text/plain", "cache-control": "no-store" },
  body: Body.bytes(new TextEncoder().encode(`${message}\n`))
})

const bodyOf = ({ body }: Wire.Request) =>
  Body.toBytes(body ?? Body.empty, {
    limit: maxBytes,
    onLimit: () => text(413, `the body has more than ${maxBytes} bytes`)
  })

/** The page and its data contain nothing of the registry. */
const isPublic = ({ method, target }: Wire.Request) =>
  method === "GET" && /^\/admin\/(openapi\.json)?(\?|$)/.test(target)

/**
 * Creates the handler of the API: for the option `mounts` of `RegistryServer` and `NodeRegistryServer`, at `/admin/`. It
 * answers callers with the scope `Policy.admin`. Its OpenAPI page is at `/admin/`, and the document at
 * `/admin/openapi.json`; both are for everyone.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { authorize, robots }: Options
): Effect.Effect<(request: Wire.Request) => Effect.Effect<Wire.Response>, never, Scope.Scope> =>
  Effect.gen(function*() {
    // The page contains a program of more than a megabyte.
    const swagger = yield* Effect.promise(() => import("@effect/platform/HttpApiSwagger"))
    const api = Layer.provide(HttpApiBuilder.api(Api), handlers(robots))
    const pages = Layer.merge(
      swagger.layer({ path: "/admin/" }),
      HttpApiBuilder.middlewareOpenApi({ path: "/admin/openapi.json" })
    )
    const { dispose, handler } = HttpApiBuilder.toWebHandler(
      Layer.mergeAll(Layer.provideMerge(pages, api), HttpServer.layerContext)
    )
    yield* Effect.addFinalizer(() => Effect.promise(dispose))

    const answer = (request: Wire.Request, bytes: Uint8Array) =>
      Effect.promise(async (): Promise<Wire.Response> => {
        const response = await handler(
          new globalThis.Request(`http://localhost${request.target}`, {
            method: request.method,
            headers: { "content-type": request.headers["content-type"] ?? "application/json" },
            ...(bytes.byteLength === 0 ? {} : { body: bytes as Uint8Array<ArrayBuffer> })
          })
        )
        return {
          status: response.status,
          headers: { ...Object.fromEntries(response.headers), "cache-control": "no-store" },
          body: Body.bytes(new Uint8Array(await response.arrayBuffer()))
        }
      })

    return (request) => {
      if (isPublic(request)) return answer(request, new Uint8Array())
      return Effect.gen(function*() {
        const caller = yield* authorize(Policy.admin, request)
        const bytes = yield* bodyOf(request)
        const response = yield* answer(request, bytes)
        if (request.method !== "GET") {
          const { method, target } = request
          const annotations = { caller: caller.name, method, target, status: response.status }
          yield* Effect.annotateLogs(Effect.logInfo("administration"), annotations)
        }
        return response
      }).pipe(Effect.catchAll((error) =>
        Effect.succeed(
          "_tag" in error
            ? error._tag === "OciRejected" ? Request.encodeRejected(error) : text(400, "the body ended early")
            : error
        )
      ))
    }
  })
