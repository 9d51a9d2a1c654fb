/** Headless Chromium on the page, for tests. */
import type { Handler } from "@effect-oci/core/Handler"
import { Registry } from "@effect-oci/core/Registry"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Memory } from "@effect-oci/store"
import { Effect, Layer } from "effect"
import type { Scope } from "effect"
import { existsSync } from "node:fs"
import { chromium } from "playwright-core"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { Explorer } from "../src/index.js"
import { build } from "./page.js"

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

/** Whether there is a browser. Debian has it as the package `chromium`. */
export const hasBrowser = existsSync(executablePath)

let browser: Browser

/** Builds the page and starts the browser, before the tests of a file. */
export const setup = () => {
  beforeAll(async () => {
    await build()
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
  }, 120_000)
  afterAll(() => browser.close())
}

/** A page, and what must not happen on it: errors, dialogs, and requests to other origins than the known ones. */
export interface Visit {
  readonly page: Page
  readonly problems: ReadonlyArray<string>
  /** Runs a step of the test. */
  readonly act: <A>(step: (page: Page) => Promise<A>) => Effect.Effect<A>
}

export interface VisitOptions {
  readonly width?: number | undefined
  readonly dark?: boolean | undefined
  /** The origins that the page may call. */
  readonly origins: ReadonlyArray<string>
}

/** Opens an address in a fresh browser profile. */
export const visit = (address: string, options: VisitOptions): Effect.Effect<Visit, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() =>
        browser.newContext({
          viewport: { width: options.width ?? 1100, height: 900 },
          colorScheme: options.dark === true ? "dark" : "light",
          permissions: ["clipboard-read", "clipboard-write"]
        })
      ),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const problems: Array<string> = []
    page.setDefaultTimeout(10_000)
    page.on("pageerror", (error) => problems.push(`error: ${error.stack ?? error.message}`))
    page.on("dialog", (dialog) => {
      problems.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on("console", (message) => {
      if (/Content Security Policy|Trusted/i.test(message.text())) problems.push(`policy: ${message.text()}`)
    })
    page.on("request", (request) => {
      const { origin } = new URL(request.url())
      if (origin !== "null" && !options.origins.includes(origin)) problems.push(`request: ${request.url()}`)
    })
    const act = <A>(step: (page: Page) => Promise<A>) => Effect.promise(() => step(page))
    yield* act((page) => page.goto(address))
    return { page, problems, act }
  })

/** A registry that is served with the page. */
export interface Served {
  readonly origin: string
  readonly host: string
  readonly registry: Registry.Service
}

export interface ServeOptions extends Partial<NodeRegistryServer.Options> {
  readonly connect?: Explorer.Options["connect"]
  /** Changes the registry that clients see. */
  readonly wrap?: ((handler: Handler) => Handler) | undefined
  /** Whether the server serves the page too. Default: `true`. */
  readonly hasPage?: boolean | undefined
}

/** Serves a registry in memory, with the page. */
export const serve = (
  { connect, hasPage = true, wrap = (handler) => handler, ...options }: ServeOptions = {}
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Layer.build(Memory.layer())
    const registry = yield* Effect.provide(Registry, context)
    const mounts = hasPage ? yield* Explorer.mounts({ connect }) : {}
    const address = yield* NodeRegistryServer.make({
      port: 0,
      ...options,
      mounts: { ...mounts, ...options.mounts }
    }).pipe(
      Effect.provideService(Registry, Registry.fromHandler(wrap(registry.handle))),
      Effect.orDie
    )
    return { origin: `http://${address.authority}`, host: address.authority, registry }
  })
