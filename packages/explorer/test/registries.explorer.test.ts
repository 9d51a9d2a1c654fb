import * as Client from "@effect-oci/client/Client"
import { Registry, RegistryError, RepositoryName, Tag } from "@effect-oci/core"
import { Guard, Policy, TokenKeys, TokenService, TokenVerifier } from "@effect-oci/guard"
import type { Users } from "@effect-oci/guard"
import { ReadOnly } from "@effect-oci/middleware"
import { Quirks } from "@effect-oci/server"
import * as NodeImages from "@effect-oci/testing/NodeImages"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { Page } from "playwright-core"
import { hasBrowser, serve, setup, visit } from "./browser.js"
import type { ServeOptions } from "./browser.js"
import { files, push } from "./images.js"

const app = RepositoryName.make("team/app")
const v1 = Tag.make("v1")
const image = Effect.map(files({ "hello.txt": "hello" }), (layer) => ({
  layers: [layer],
  config: { os: "linux", architecture: "riscv64", history: [{ created_by: "RUN hello" }] }
}))

const account: Users.Account = { identity: { name: "alice" }, version: "1" } as never

const users: Users.Users = {
  check: ({ password, username }) =>
    username === "alice" && Redacted.value(password) === "right"
      ? Effect.succeed(account)
      : Effect.fail(new RegistryError.Unauthorized({})),
  find: () => Effect.succeed(account)
}

/** Serves a registry and its token service at one address. */
const serveWithTokens = (policy: Policy.Policy, options?: ServeOptions) =>
  Effect.gen(function*() {
    const port = yield* NodePeers.freePort
    const issuer = `http://127.0.0.1:${port}`
    const service = `127.0.0.1:${port}`
    const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
    const tokens = yield* TokenService.make({ issuer, service, keys, users, policy })
    const verify = yield* TokenVerifier.make({ issuer, audience: service, keys })
    return yield* serve({
      ...options,
      port,
      guard: Guard.make({ tokens: { verify, service, realm: `${issuer}/token` }, policy }),
      mounts: { "/token": tokens.answer }
    })
  })

const logIn = async (page: Page, password: string) => {
  const form = page.locator("main form.login")
  await form.getByLabel("User name").fill("alice")
  await form.getByLabel(/^Password/).fill(password)
  await form.getByRole("button", { name: "Log in" }).click()
}

/** What distribution needs to be used from a page. */
const corsHeaders = (origin: string) => ({
  "Access-Control-Allow-Origin": [origin],
  "Access-Control-Allow-Methods": ["GET, HEAD, POST, PUT, PATCH, DELETE"],
  "Access-Control-Allow-Headers": [
    "Authorization, Accept, Content-Type, Content-Range, Range, If-Match, If-None-Match"
  ],
  "Access-Control-Expose-Headers": ["Docker-Content-Digest, Link, Location, OCI-Subject, Range, WWW-Authenticate"]
})

describe.runIf(hasBrowser)("a registry with users", () => {
  setup()

  it.scopedLive("asks for a login, says that a password is wrong, and keeps the right one only in memory", () =>
    Effect.gen(function*() {
      const { host, origin, registry } = yield* serve({ guard: Guard.make({ users, policy: Policy.authenticated }) })
      yield* push(registry, app, yield* image, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("The registry wants to know who you are.").waitFor()
        await logIn(page, "wrong")
        await page.getByText("The registry does not accept this user name and password.").waitFor()
        await logIn(page, "right")
        await page.getByText("linux/riscv64").waitFor()
        await page.locator("header").getByText("alice").waitFor()
        const kept = await page.evaluate(async () => [
          JSON.stringify({ ...localStorage }),
          JSON.stringify({ ...sessionStorage }),
          document.cookie,
          (await indexedDB.databases()).length,
          (await caches.keys()).length
        ])
        expect(kept).toEqual(["{}", "{}", "", 0, 0])
        await page.getByRole("button", { name: "Log out" }).click()
        await page.getByText("The registry wants to know who you are.").waitFor()
        expect(await page.getByText("linux/riscv64").count()).toBe(0)
        await logIn(page, "right")
        await page.getByText("linux/riscv64").waitFor()
        await page.reload()
        await page.getByText("The registry wants to know who you are.").waitFor()
      })
      expect(host).toContain("127.0.0.1")
      expect(problems).toEqual([])
    }))

  it.scopedLive("logs in with tokens of the registry's own token service", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serveWithTokens(Policy.authenticated)
      yield* push(registry, app, yield* image, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("The registry wants to know who you are.").waitFor()
        await logIn(page, "wrong")
        await page.getByText("The registry does not accept this user name and password.").waitFor()
        await logIn(page, "right")
        await page.getByRole("link", { name: "v1" }).click()
        await page.getByText("linux/riscv64").waitFor()
        await page.getByText("Add a tag").waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("offers only the changes that its token server grants", () =>
    Effect.gen(function*() {
      const policy = Policy.make(({ name }, { action, resource }) =>
        action === "pull" || (name === "alice" && action === "push" && resource === "team/own")
      )
      const { origin, registry } = yield* serveWithTokens(policy)
      const own = RepositoryName.make("team/own")
      yield* push(registry, app, yield* image, v1)
      yield* push(registry, own, yield* image, v1)
      const { act, page, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      const writes: Array<string> = []
      page.on("request", (request) => {
        if (!["GET", "HEAD"].includes(request.method())) writes.push(`${request.method()} ${request.url()}`)
      })
      yield* act(async (page) => {
        await page.getByText("A user who is not logged in may not push to this repository.").waitFor()
        expect(await page.getByText("Add a tag").count()).toBe(0)
        expect(await page.getByText("Delete", { exact: true }).count()).toBe(0)
        await page.getByRole("button", { name: "Log in" }).click()
        const form = page.locator("header form.login")
        await form.getByLabel("User name").fill("alice")
        await form.getByLabel(/^Password/).fill("right")
        await form.getByRole("button", { name: "Log in" }).click()
        await page.getByText("alice may not push to this repository.").waitFor()
        await page.getByText("alice may not delete from this repository.").waitFor()
        expect(await page.getByText("Add a tag").count()).toBe(0)
        await page.getByText("Copy to another repository").click()
        await page.getByLabel("To the repository").fill("team/other")
        await page.getByRole("button", { name: "Copy", exact: true }).click()
        await page.getByText("The registry does not allow this to the user that you are.").waitFor()
        await page.evaluate(() => location.hash = "#/team/app")
        await page.getByText("alice may not push to this repository.").waitFor()
        expect(await page.locator("input[type=file]").count()).toBe(0)
        expect(writes).toEqual([])
        await page.evaluate(() => location.hash = "#/team/own:v1")
        await page.getByText("alice may not delete from this repository.").waitFor()
        await page.getByText("Add a tag").click()
        await page.locator("form", { hasText: "Add the tag" }).getByLabel("Tag", { exact: true }).fill("latest")
        await page.getByRole("button", { name: "Add the tag" }).click()
        await page.getByRole("link", { name: "team/own:latest" }).waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("without tokens offers a change until the registry has refused it", () =>
    Effect.gen(function*() {
      const policy = Policy.make(({ name }, { action }) => action === "pull" || (name === "alice" && action === "push"))
      const { origin, registry } = yield* serve({ guard: Guard.make({ users, policy }) })
      yield* push(registry, app, yield* image, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      const tag = async (page: Page) => {
        await page.locator("form", { hasText: "Add the tag" }).getByLabel("Tag", { exact: true }).fill("latest")
        await page.getByRole("button", { name: "Add the tag" }).click()
      }
      yield* act(async (page) => {
        await page.getByText("Add a tag").click()
        await tag(page)
        await page.getByText("The registry wants to know who you are.").waitFor()
        await logIn(page, "right")
        await page.getByText("Add a tag").click()
        await tag(page)
        await page.getByRole("link", { name: "team/app:latest" }).waitFor()
        await page.getByText("Delete", { exact: true }).click()
        await page.getByRole("button", { name: "Delete the tag v1" }).click()
        await page.getByText("alice may not delete from this repository.").waitFor()
        expect(await page.getByRole("button", { name: "Delete the tag v1" }).count()).toBe(0)
        await page.getByRole("button", { name: "Delete the manifest" }).waitFor()
        await page.evaluate(() => location.hash = "#/team/app:latest")
        await page.getByText("alice may not delete from this repository.").waitFor()
        await page.getByRole("button", { name: "Offer it again" }).click()
        await page.getByText("Delete", { exact: true }).click()
        await page.getByRole("button", { name: "Delete the tag latest" }).waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive("sends the password to another token server only after the user has allowed it (T71)", () =>
    Effect.gen(function*() {
      const registryPort = yield* NodePeers.freePort
      const service = `127.0.0.1:${registryPort}`
      const keys = yield* TokenKeys.ring(yield* TokenKeys.generate())
      const received: Array<string> = []
      const tokenServer = yield* serve({
        cors: { origins: "*" },
        mounts: {
          "/token": (request) => {
            if (request.headers["authorization"] !== undefined) received.push(request.headers["authorization"])
            return Effect.flatMap(
              TokenService.make({ issuer: "issuer", service, keys, users, policy: Policy.authenticated }),
              ({ answer }) => answer(request)
            )
          }
        }
      })
      const verify = yield* TokenVerifier.make({ issuer: "issuer", audience: service, keys })
      const { origin, registry } = yield* serve({
        port: registryPort,
        connect: [tokenServer.origin],
        guard: Guard.make({
          tokens: { verify, service, realm: `${tokenServer.origin}/token` },
          policy: Policy.authenticated
        })
      })
      yield* push(registry, app, yield* image, v1)
      const { act, problems } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin, tokenServer.origin] })
      yield* act(async (page) => {
        await page.locator("main form.login").waitFor()
        await logIn(page, "right")
        await page.getByText("which this registry names as its token server").waitFor()
        expect(received).toEqual([])
        await page.getByRole("checkbox").check()
        await logIn(page, "right")
        await page.getByText("linux/riscv64").waitFor()
        expect(received.length).toBeGreaterThan(0)
      })
      expect(problems).toEqual([])
    }))
})

describe.runIf(hasBrowser)("another registry", () => {
  setup()

  it.scopedLive("with tokens says to the page what it grants", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve({ connect: "*" })
      const other = yield* serveWithTokens(Policy.make((_, { action }) => action === "pull"), {
        hasPage: false,
        cors: { origins: [origin] }
      })
      yield* push(other.registry, app, yield* image, v1)
      const { act, problems } = yield* visit(`${origin}/#${other.origin}/team/app:v1`, {
        origins: [origin, other.origin]
      })
      yield* act((page) => page.getByText("A user who is not logged in may not push to this repository.").waitFor())
      expect(problems).toEqual([])
    }))

  it.scopedLive("is refused by the policy of the page unless the option connect allows it (T72)", () =>
    Effect.gen(function*() {
      const other = yield* serve({ hasPage: false, cors: { origins: "*" } })
      const { origin } = yield* serve()
      const { act } = yield* visit(`${origin}/#${other.origin}/team/app`, { origins: [origin] })
      yield* act((page) => page.getByText(`This page may not connect to ${other.origin}.`).waitFor())
    }))

  it.scopedLive("that does not allow the page is named as such, with what its operator has to do", () =>
    Effect.gen(function*() {
      const other = yield* serve({ hasPage: false })
      const { origin } = yield* serve({ connect: "*" })
      const { act } = yield* visit(`${origin}/#${other.origin}/team/app`, { origins: [origin, other.origin] })
      yield* act((page) => page.getByText(`can allow the origin ${origin}`).waitFor())
      yield* act(async (page) => {
        await page.goto(`${origin}/#http://127.0.0.1:1/team/app`)
        await page.getByText("http://127.0.0.1:1 does not answer.").waitFor()
        expect(await page.getByText("Upload files").isVisible()).toBe(false)
      })
    }))

  it.scopedLive("is used like the own one if it allows the page", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve({ connect: "*" })
      const other = yield* serve({ hasPage: false, cors: { origins: [origin] } })
      yield* push(other.registry, app, yield* image, v1)
      const { act, problems } = yield* visit(origin, { origins: [origin, other.origin] })
      yield* act(async (page) => {
        await page.getByRole("textbox", { name: /^Open a repository/ }).fill(other.host)
        await page.getByRole("button", { name: "Open", exact: true }).click()
        await page.getByRole("link", { name: "team/app" }).click()
        await page.getByRole("link", { name: "v1" }).click()
        await page.getByText("linux/riscv64").waitFor()
        expect(new URL(page.url()).hash).toBe(`#${other.origin}/team/app:v1`)
        await page.getByText(`docker pull ${other.host}/team/app:v1`).waitFor()
      })
      expect(problems).toEqual([])
    }))

  it.scopedLive.each(Quirks.names.filter((name) => name !== "static-files"))(
    "with the quirks of %s shows a repository, a tag and an image",
    (name) =>
      Effect.gen(function*() {
        const { origin, registry } = yield* serve({ quirks: Quirks.like(name) })
        yield* push(registry, app, yield* image, v1)
        const { act, problems } = yield* visit(`${origin}/#/team/app`, { origins: [origin] })
        yield* act(async (page) => {
          await page.getByRole("link", { name: "v1" }).click()
          await page.getByText("linux/riscv64").waitFor()
          await page.getByText("RUN hello").waitFor()
          await page.getByText("Nothing refers to this manifest").waitFor()
          await page.getByRole("link", { name: "Files of layer 1" }).click()
          await page.getByRole("link", { name: "hello.txt" }).waitFor()
        })
        expect(problems).toEqual([])
      })
  )

  it.scopedLive("with a wrong Content-Encoding, which a browser cannot read, is named as such", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve({ quirks: Quirks.like("static-files") })
      yield* push(registry, app, yield* image, v1)
      const { act } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act((page) => page.getByText("the browser could not read this answer").first().waitFor())
      yield* act((page) => page.getByText("Pull", { exact: true }).waitFor())
    }))

  it.scopedLive("without a catalog says so, and opens repositories by name", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve({ quirks: { noCatalog: true } })
      yield* push(registry, app, yield* image, v1)
      const { act } = yield* visit(origin, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("Many registries do not list their repositories").waitFor()
        await page.getByRole("textbox", { name: /^Open a repository/ }).fill("team/app:v1")
        await page.keyboard.press("Enter")
        await page.getByText("linux/riscv64").waitFor()
      })
    }))

  it.scopedLive("without referrers says so, and shows those that clients list under tags", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve({ quirks: { noReferrers: true } })
      const { digest } = yield* push(registry, app, yield* image, v1)
      const { act } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("This registry does not list referrers.").waitFor()
        await page.getByText("Attach annotations").click()
        await page.getByLabel(/^Annotations/).fill("reviewed-by=alice")
        await page.getByRole("button", { name: "Attach" }).click()
        await page.getByText("Attached.").waitFor()
        await page.reload()
        await page.getByText("application/vnd.example.note.v1").waitFor()
      })
      yield* registry.getManifest(app, Tag.make(digest.replace(":", "-")))
    }))

  it.scopedLive("that is read-only says so after the first change that it refuses, and offers none again", () =>
    Effect.gen(function*() {
      const { origin, registry } = yield* serve({ wrap: ReadOnly.middleware() })
      yield* push(registry, app, yield* image, v1)
      const { act } = yield* visit(`${origin}/#/team/app:v1`, { origins: [origin] })
      yield* act(async (page) => {
        await page.getByText("Delete", { exact: true }).click()
        await page.getByRole("button", { name: "Delete the tag v1" }).click()
        await page.getByText("The registry does not delete a tag alone.").waitFor()
        await page.getByRole("button", { name: "Delete the manifest" }).click()
        await page.getByText("The registry does not delete manifests.").waitFor()
        expect(await page.getByText("Delete", { exact: true }).count()).toBe(0)
        await page.evaluate(() => location.hash = "#/team/app")
        await page.locator("input[type=file]").setInputFiles([{ name: "a", mimeType: "", buffer: Buffer.from("a") }])
        await page.getByLabel("Tag", { exact: true }).fill("v2")
        await page.getByRole("button", { name: "Upload as an artifact" }).click()
        await page.getByText("The registry takes no changes of this repository.").waitFor()
        expect(await page.locator("input[type=file]").count()).toBe(0)
        await page.evaluate(() => location.hash = "#/team/app:v1")
        await page.getByText("The registry takes no changes of this repository.").waitFor()
        expect(await page.getByText("Add a tag").count()).toBe(0)
      })
    }))

  it.scopedLive(
    "that is offline for a while is shown as it was, and continues when it is back",
    () =>
      Effect.gen(function*() {
        const { origin, registry } = yield* serve()
        yield* push(registry, app, yield* image, v1)
        const { act, page } = yield* visit(`${origin}/#/team/app`, { origins: [origin] })
        yield* act((page) => page.getByRole("link", { name: "v1" }).waitFor())
        yield* act(() => page.context().setOffline(true))
        yield* act((page) => page.getByText("This device is offline.").waitFor({ timeout: 20_000 }))
        yield* act((page) => page.getByRole("link", { name: "v1" }).waitFor())
        yield* push(registry, app, yield* image, Tag.make("v2"))
        yield* act(() => page.context().setOffline(false))
        yield* act((page) => page.getByRole("link", { name: "v2" }).waitFor({ timeout: 20_000 }))
        expect(yield* act((page) => page.getByText("This device is offline.").count())).toBe(0)
      }),
    60_000
  )
})

describe.runIf(hasBrowser && NodePeers.have("docker-registry"))("docker-registry", () => {
  setup()

  it.scopedLive("with CORS headers shows an image, and takes an upload and a delete from the page", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve({ connect: "*" })
      const peer = yield* NodePeers.dockerRegistryWith({ headers: corsHeaders(origin) })
      const context = yield* Layer.build(
        Client.layer({ host: peer.authority, insecure: true }).pipe(Layer.provide(FetchHttpClient.layer))
      )
      yield* push(yield* Effect.provide(Registry, context), app, yield* image, v1)
      const there = `http://${peer.authority}`
      const { act, problems } = yield* visit(`${origin}/#${there}/`, { origins: [origin, there] })
      yield* act(async (page) => {
        await page.getByRole("link", { name: "team/app" }).click()
        await page.getByRole("link", { name: "v1" }).click()
        await page.getByText("linux/riscv64").waitFor()
        await page.getByRole("link", { name: "Files of layer 1" }).click()
        await page.getByRole("link", { name: "hello.txt" }).waitFor()
        await page.goto(`${origin}/#${there}/team/files`)
        await page.locator("input[type=file]").setInputFiles([
          { name: "large.bin", mimeType: "", buffer: Buffer.alloc(9 * 1024 * 1024, "x") }
        ])
        await page.getByLabel("Tag", { exact: true }).fill("v1")
        await page.getByRole("button", { name: "Upload as an artifact" }).click()
        await page.getByText("Uploaded:").waitFor()
        await page.getByRole("button", { name: "Upload as an artifact" }).click()
        await page.getByText("The tag exists already.").waitFor()
        await page.goto(`${origin}/#${there}/team/files:v1`)
        await page.getByText("This registry does not list referrers.").waitFor()
        await page.getByText("Delete", { exact: true }).click()
        await page.getByRole("button", { name: "Delete the tag v1" }).click()
        await page.getByText("The registry does not delete a tag alone.").waitFor()
        await page.getByRole("button", { name: "Delete the manifest" }).click()
        await page.getByText("Deleted.").waitFor()
      })
      expect(problems).toEqual([])
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("without CORS headers is named as a registry that does not allow the page", () =>
    Effect.gen(function*() {
      const { origin } = yield* serve({ connect: "*" })
      const peer = yield* NodePeers.dockerRegistry
      const there = `http://${peer.authority}`
      const { act } = yield* visit(`${origin}/#${there}/`, { origins: [origin, there] })
      yield* act((page) => page.getByText(`${there} answers, but it does not allow this page`).waitFor())
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe.runIf(hasBrowser && NodePeers.have("skopeo"))("skopeo", () => {
  setup()

  it.scopedLive("pushes an image, which appears on the page without a reload", () =>
    Effect.gen(function*() {
      const { host, origin } = yield* serve()
      const { act, problems } = yield* visit(origin, { origins: [origin] })
      yield* act((page) => page.getByText("There is nothing here yet").waitFor())
      const layout = yield* NodeImages.writeLayout(NodeImages.image([1000]))
      yield* NodePeers.skopeo("copy", `oci:${layout}:v1`, `docker://${host}/team/pushed:v1`)
      yield* act(async (page) => {
        await page.getByRole("link", { name: "team/pushed" }).click()
        await page.getByRole("link", { name: "v1" }).click()
        await page.getByText("linux/amd64").waitFor()
      })
      expect(problems).toEqual([])
    }).pipe(Effect.provide(NodeContext.layer)))
})
