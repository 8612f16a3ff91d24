include $(sort $(wildcard $(BR2_EXTERNAL_KEEPALIVED_PATH)/package/*/*.mk))
