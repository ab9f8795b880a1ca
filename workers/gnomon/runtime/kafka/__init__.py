"""Batches out of Kafka and transactions into it: the only package that uses internals of Faust and aiokafka.

aiokafka documents none of the names below as public. A test fails, and names the missing one, when a
release of aiokafka renames any of them (``tests/unit/runtime/kafka/test_aiokafka_internals.py``).

=============================  =========================================================  ================
aiokafka                       names                                                      used by
=============================  =========================================================  ================
``consumer.fetcher``           ``PartitionRecords``, ``FetchResult``, ``MemoryRecords``   fetched_records
                               (replaced), ``READ_COMMITTED``
``PartitionRecords``           ``_records``, ``_records_iterator``, ``_unpack_records``,  fetched_records
                               ``_tp``, ``_check_crcs``, ``_isolation_level``,
                               ``_aborted_producers``, ``_consume_aborted_up_to``,
                               ``_contains_abort_marker``, ``next_fetch_offset``
``FetchResult``                ``_partition_records``, ``_topic_partition``,              fetched_records
                               ``_assignment``, ``_update_position``,
                               ``check_assignment``
``subscription_state``         ``TopicPartitionState`` (replaced): ``_position``,         fetched_records
                               ``await_reset``, ``seek``
``AIOKafkaConsumer``           ``_fetcher``, ``_coordinator``, ``_client``                consumer, leaders
``GroupCoordinator``           ``group_id``, ``generation``, ``member_id``                consumer
``Fetcher``                    ``_records``, ``_proc_fetch_request``,                     consumer
                               ``_max_partition_fetch_bytes``
``client.AIOKafkaClient``      ``bootstrap``, ``send``, ``coordinator_lookup``,           transactions
                               ``get_random_node``, ``force_metadata_update``,
                               ``add_topic``, ``cluster``
``client.AIOKafkaClient``      ``_sasl_plain_password`` (replaced), ``_ssl_context``      gnomon.connection
``record.default_records``     ``DefaultRecordBatchBuilder``                              transactions
``protocol.api``               ``Request``, ``RequestStruct``, ``Response``               transactions
=============================  =========================================================  ================

Two further assumptions have no name: the connection sends ``size + (header + request)``, so that
``EncodedRequest`` of ``transactions.produce_requests`` can join its parts once; and a fetcher looks its
``_proc_fetch_request`` and ``_max_partition_fetch_bytes`` up anew for each fetch.
"""
