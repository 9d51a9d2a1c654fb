#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { main } from "./NodeStoreCli.js"

NodeRuntime.runMain(main)
